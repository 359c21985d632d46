import numpy as np

from inpaint_ray.aligning.sampling import sample_at
from inpaint_ray.aligning.tracking import track
from tests.support.copies import RATE, play_notes


def test_bass_below_the_band_of_delays_hides_no_likeness() -> None:
    music = play_notes(1.2, seed=3)[0]
    time = np.arange(len(music)) / RATE
    target = music + 0.6 * np.sin(2 * np.pi * 41 * time)
    copy = music + 0.6 * np.sin(2 * np.pi * 41 * time + 1)[None]
    found = track(
        target,
        np.ones(len(target), dtype=bool),
        np.arange(len(target), dtype=np.float64) + 5.3,
        lambda at: sample_at(copy, at)[0],
        RATE,
        same_rate=True,
    )
    assert found is not None and found.whole
    np.testing.assert_array_equal(found.positions, np.arange(len(target)))
