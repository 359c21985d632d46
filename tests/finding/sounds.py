"""Sound for the tests of detectors."""

import numpy as np
from numpy.typing import NDArray

RATE = 44_100


def noisy_music(seconds: float = 3.0, *, seed: int = 0) -> NDArray[np.float64]:
    """Plucked notes over a bed of noise, (1, n), rounded to 16 bits."""
    random, time = np.random.default_rng(seed), np.arange(round(seconds * RATE)) / RATE
    sound = 3e-3 * random.standard_normal(len(time))
    for start in np.arange(0, seconds, 0.2):
        since = np.maximum(time - start, 0)
        for partial in range(1, 6):
            hertz = partial * 110 * 2 ** (random.integers(0, 24) / 12)
            sound += 0.1 / partial * (since > 0) * np.exp(-5 * since) * np.sin(2 * np.pi * hertz * since)
    return np.rint(sound[None] * 2**15) / 2**15
