"""Clip levels are found wherever they are, and no square wave, smooth peak or whole music is taken for clipping."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inpaint_ray.finding.clipping import Clipping
from tests.finding.sounds import RATE, noisy_music


def clipped_of(samples: NDArray, cuts: tuple[int, ...] = ()) -> NDArray[np.bool_]:
    detector, found = Clipping(RATE), np.zeros(samples.shape, dtype=bool)
    events = [event for block in np.split(samples, cuts, axis=1) for event in detector.look(block)]
    for event in [*events, *detector.finish()]:
        assert event.kind == "clipped" and 0 < event.confidence <= 1
        found[event.channel, event.start : event.stop] = True
    return found


@pytest.mark.parametrize(("top", "bottom", "gain"), [(0.5, 0.5, 1.0), (0.5, 0.4, 1.0), (0.4, 0.5, 0.317)])
def test_clipped_samples_are_found_at_levels_of_their_own(top: float, bottom: float, gain: float) -> None:
    music = noisy_music(8.0)
    music /= np.abs(music).max()
    samples = np.rint(gain * np.clip(music, -bottom, top) * 2**15) / 2**15
    truth = (music >= top) | (music <= -bottom)
    found = clipped_of(samples)
    assert (found & truth).sum() > 0.99 * truth.sum() > 100
    assert (found & ~truth).sum() <= 0.02 * truth.sum()
    assert (clipped_of(samples, (1, 3, 70_000, 70_001, 200_000)) == found).all()


def test_what_is_not_clipped_is_left() -> None:
    time = np.arange(6 * RATE) / RATE
    sine, square = np.sin(2 * np.pi * 60 * time), np.sign(np.sin(2 * np.pi * 441.3 * time + 0.1))
    saw = 2 * (time * 110.3 % 1) - 1
    for sound in (sine, np.rint(0.5 * sine * 2**15) / 2**15, square, saw, np.floor(8 * saw) / 8, 0 * sine):
        assert not clipped_of(0.5 * sound[None]).any()
    assert not clipped_of(noisy_music(8.0)).any()
