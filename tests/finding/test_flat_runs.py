"""Held, interpolated and muted samples are found to the sample, and none in sound that is whole."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inpaint_ray.finding.flat_runs import FlatRuns
from tests.finding.sounds import RATE, noisy_music

LENGTH = 60


def find_runs_in(samples: NDArray, cuts: tuple[int, ...] = ()) -> list[tuple[int, int, str]]:
    detector = FlatRuns(RATE)
    found = [event for block in np.split(samples, cuts, axis=1) for event in detector.look(block)]
    return sorted((event.start, event.stop, event.kind) for event in [*found, *detector.finish()])


@pytest.mark.parametrize("kind", ["held", "interpolated", "muted", "dithered"])
def test_a_run_is_found_to_the_sample_wherever_blocks_are_cut(kind: str) -> None:
    samples = noisy_music()
    starts = range(5000, 100_000, 9000)
    for start in starts:
        stop = start + LENGTH
        if kind == "held":
            samples[0, start:stop] = samples[0, start - 1]
        elif kind == "interpolated":
            line = np.linspace(samples[0, start - 1], samples[0, stop], LENGTH + 2)[1:-1]
            samples[0, start:stop] = np.rint(line * 2**15) / 2**15
        else:
            noise = np.random.default_rng(start).integers(-1, 2, LENGTH) / 2**15
            samples[0, start:stop] = noise if kind == "dithered" else 0
    name = "muted" if kind in ("muted", "dithered") else "held"
    found = find_runs_in(samples)
    assert set(found) <= {(start, start + LENGTH, name) for start in starts}
    assert len(found) >= len(starts) - 1  # one that ends by chance where the sound comes by may be missed
    assert find_runs_in(samples, (1, 2, 5030, 30_000, 77_010)) == found


def test_whole_sound_has_no_event() -> None:
    assert find_runs_in(noisy_music()) == []
    time = np.arange(2 * RATE) / RATE
    smooth = 0.3 * np.sin(2 * np.pi * 60 * time)[None]
    square = 0.2 * np.sign(np.sin(2 * np.pi * 441.3 * time + 0.1))[None]
    steps = (np.floor(16 * (time * 110.3 % 1)) / 16 - 0.5)[None]
    for sound in (smooth, np.rint(smooth * 2**15) / 2**15, square, steps, np.zeros((1, RATE)), smooth[:, :3]):
        assert find_runs_in(sound) == []
