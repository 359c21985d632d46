"""Clipped samples are restored outside the clip level, and nothing else changes."""

import numpy as np
import pytest

from inpaint_ray.filling.clipped import declip

RATE = 16_000


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tones_come_back_from_clipping_and_known_samples_stay(dtype: type) -> None:
    time = np.arange(2 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * hertz * time + hertz) for hertz in (220, 440, 1210, 2600))
    clean = np.stack([tones, 0.7 * np.roll(tones, 1000)]) / 5
    level = 0.6 * np.abs(clean).max(axis=1, keepdims=True)
    damaged = np.clip(clean, -level, level).astype(dtype)
    lost = np.abs(clean) > level
    restored = declip(damaged, lost, RATE)
    assert restored.dtype == dtype and np.array_equal(restored[~lost], damaged[~lost])
    assert (np.abs(restored) >= np.abs(damaged)).all() and (np.sign(restored) == np.sign(damaged))[lost].all()
    error, before = ((each.astype(np.float64) - clean) ** 2 for each in (restored, damaged))
    assert 10 * np.log10(before.sum() / error.sum()) > 15


def test_nothing_to_restore_and_silence_come_back_as_they_are() -> None:
    sound = np.random.default_rng(0).standard_normal((1, 5000))
    assert np.array_equal(declip(sound, np.zeros(sound.shape, dtype=bool), RATE), sound)
    assert not declip(np.zeros(5000), np.ones(5000, dtype=bool), RATE).any()


def test_a_short_signal_that_is_clipped_throughout_stays_finite() -> None:
    sound = np.full(40, 0.5)
    assert np.isfinite(declip(sound, np.ones(40, dtype=bool), RATE)).all()
