"""A piece of music that is never twice the same, and transfers of it."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.aligning.sampling import sample_at
from inpaint_ray.audio.runs import Event

RATE = 16_000


def play_notes(seconds: float, *, seed: int = 0, num_channels: int = 1, rate: int = RATE) -> NDArray[np.float64]:
    """Random notes that die away, with a breath of noise: (num_channels, n)."""
    random = np.random.default_rng(seed)
    count = round(seconds * rate)
    made = 1e-4 * random.standard_normal((num_channels, count))
    for start in np.sort(random.uniform(0, seconds - 0.05, round(7 * seconds))):
        first = round(start * rate)
        time = np.arange(min(count - first, rate)) / rate
        pitch = 110 * 2 ** (random.integers(0, 36) / 12)
        tone = sum(np.sin(2 * np.pi * pitch * k * time + random.uniform(0, 6)) / k for k in range(1, 6))
        note = 0.08 * np.exp(-time * random.uniform(4, 12)) * np.minimum(time / 0.004, 1) * tone
        for channel in made:
            channel[first : first + len(time)] += note * random.uniform(0.3, 1)
    return np.clip(made, -1, 1)


def transfer(
    samples: NDArray, *, speed: float = 0.0, wow: float = 0.0, late_s: float = 0.0, rate: int = RATE
) -> tuple[NDArray[np.float64], Callable[[NDArray], NDArray]]:
    """Play a recording at another speed, with wow of 0.55 Hz, from a moment on.

    Returns:
        The copy, and what tells the sample of the copy that has a sample of the recording.
    """
    place = np.arange(samples.shape[1], dtype=np.float64)
    swing = wow / (2 * np.pi * 0.55) * rate * np.sin(2 * np.pi * 0.55 * place / rate)
    position = (place + late_s * rate) / (1 + speed) + swing
    return sample_at(samples, position), lambda at: np.interp(at, position, place)


def in_blocks(samples: NDArray, length: int = 2**15) -> Callable[[], Iterator[NDArray]]:
    """Reads a recording in blocks."""
    return lambda: (samples[:, first : first + length] for first in range(0, samples.shape[1], length))


def lose(samples: NDArray, starts: list[int], length: int) -> tuple[NDArray, list[Event]]:
    """The recording with stretches of all channels at zero, and their events."""
    damaged = samples.copy()
    for start in starts:
        damaged[:, start : start + length] = 0
    channels = range(len(samples))
    return damaged, [Event(channel, start, start + length) for start in starts for channel in channels]


def snr_db(truth: NDArray, made: NDArray) -> float:
    """Signal-to-noise ratio."""
    return float(10 * np.log10(np.sum(truth**2) / np.sum((truth - made) ** 2)))
