import numpy as np

from benchmarks.instruments import play
from inpaint_ray.filling.autoregressive import fill_gaps
from inpaint_ray.filling.stacking import fill_stacked

RATE = 16_000


def test_known_samples_stay_and_gaps_above_the_longest_are_as_without() -> None:
    music = play("piano", 2.0, RATE, 0)
    lost = np.zeros(len(music), dtype=bool)
    lost[8000:8320] = lost[16_000:20_000] = True
    known = np.where(lost, 0.0, music)
    stacked, plain = fill_stacked(known, lost, RATE, max_gap_s=1.0), fill_gaps(known, lost, RATE)
    np.testing.assert_array_equal(stacked[~lost], music[~lost])
    np.testing.assert_array_equal(stacked[16_000:20_000], plain[16_000:20_000])
    assert np.abs(stacked - plain)[8000:8320].max() > 0


def test_stacked_fills_are_nearer_in_the_mean() -> None:
    ratios = []
    for name in ("bell", "piano", "violin"):
        music = play(name, 3.0, RATE, 1)
        lost = np.zeros(len(music), dtype=bool)
        for start in (12_000, 22_000, 32_000):
            lost[start : start + 320] = True
        known = np.where(lost, 0.0, music)
        errors = [
            np.sum((fill - music)[lost] ** 2)
            for fill in (fill_stacked(known, lost, RATE, max_gap_s=1.0), fill_gaps(known, lost, RATE))
        ]
        ratios.append(10 * np.log10(errors[1] / errors[0]))
    assert np.mean(ratios) > 0.1


def test_without_room_for_pseudo_gaps_the_models_count_alike() -> None:
    music = play("piano", 0.5, RATE, 0)[:1200]
    lost = np.zeros(len(music), dtype=bool)
    lost[400:800] = True
    assert np.isfinite(fill_stacked(np.where(lost, 0.0, music), lost, RATE, max_gap_s=1.0)).all()
