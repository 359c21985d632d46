"""Elements of sounds: harmonics, moving filters, slow noise, and placement in time.

Shapes: n = samples, F = bins, T = frames.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from inpaint_ray.synthesis.song import Song

HIGHEST_HARMONIC_HZ = 11_000.0


def tone(frequency: NDArray, brightness: NDArray, sample_rate: int) -> NDArray:
    """Synthesise harmonics k = 1 to K of amplitude brightness ** k, by the closed form of a geometric series.

    Args:
        frequency: (n,) Hz.
        brightness: (n,) in (0, 1).
        sample_rate: Hz; K keeps the highest harmonic below 0.45 of it and below 11 kHz.
    """
    phase = 2 * np.pi * np.cumsum(frequency) / sample_rate
    num_harmonics = int(min(0.45 * sample_rate, HIGHEST_HARMONIC_HZ) / frequency.max())
    beyond = np.exp(num_harmonics * np.log(brightness))  # brightness ** K, three times as fast
    beyond *= brightness * np.sin(num_harmonics * phase) - np.sin((num_harmonics + 1) * phase)
    sum_ = brightness * (np.sin(phase) + beyond) / (1 - 2 * brightness * np.cos(phase) + brightness**2)
    return np.sqrt(1 - brightness**2) * sum_


def filter_moving(samples: NDArray, sample_rate: int, gains: Callable[[NDArray, NDArray], NDArray]) -> NDArray:
    """Filter samples by gains that move in time: gains(F frequencies in Hz, T times in s) -> (F, T)."""
    size = 2 * round(0.012 * sample_rate)
    # Not ShortTimeFFT, which transforms one frame at a time and takes twice as long.
    frequency, time, spectrum = signal.stft(samples, sample_rate, nperseg=size)
    _, shaped = signal.istft(spectrum * gains(frequency, time), sample_rate, nperseg=size)
    return shaped[: len(samples)]


def slow_noise(song: Song, per_s: float) -> NDArray:
    """Draw normal numbers at a rate per second, joined by lines: (n,)."""
    places = np.arange(0, song.num_samples + 2 * song.sample_rate / per_s, song.sample_rate / per_s)
    return np.interp(np.arange(song.num_samples), places, song.random.standard_normal(len(places)))


def place_sound(line: NDArray, sound: NDArray, start: int) -> None:
    """Add a sound to a line at a sample, as far as the line reaches."""
    fitting = sound[: max(len(line) - start, 0)]
    line[start : start + len(fitting)] += fitting


def smooth(values: NDArray, length: float) -> NDArray:
    """Smooth values by a one-pole filter of a time constant in samples, starting at the first value."""
    pole = np.exp(-1 / length)
    return signal.lfilter([1 - pole], [1, -pole], values, zi=[pole * values[0]])[0]


def at_level(samples: NDArray, rms: float) -> NDArray:
    return samples * (rms / max(np.sqrt(np.mean(samples**2)), 1e-9))
