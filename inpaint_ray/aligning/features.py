"""Features of a recording at 25 Hz: the logarithmic energy of bands above its slow mean, which no equaliser changes.

They are small enough to be kept of hours (two hours are 9 MB). Shapes: c = channels, n = samples, b = bands,
f = frames.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

FRAMES_PER_S = 25
NUM_BANDS = 12
LOWEST_HZ, HIGHEST_HZ = 100.0, 5_000.0
FLOOR = 1e-3  # share of a band's mean energy that is added: noise of a copy below it counts little
SLOW_S = 2.0  # over which the mean is taken
MOST = 3.0  # standard deviations


@dataclass(frozen=True)
class Features:
    """Features of a recording."""

    values: NDArray[np.float32]  # (b, f) of mean 0 and deviation 1; zero where samples are lost
    rate: float  # frames in a second; frame f is of the samples around (f + 1) / rate seconds
    num_samples: int  # of the recording
    loudness: float  # RMS of the recording


def highest_hz(*sample_rates: int) -> float:
    """Return the upper end of the bands that recordings of these rates share."""
    return min(HIGHEST_HZ, 0.4 * min(sample_rates))


def make_features(
    blocks: Iterator[NDArray], sample_rate: int, top_hz: float, lost: Sequence[tuple[int, int]] = ()
) -> Features:
    """Compute the features of a recording, which is read once.

    Args:
        blocks: consecutive (c, n) float blocks.
        sample_rate: Hz.
        top_hz: upper end of the bands (see `highest_hz`).
        lost: stretches that do not count, in samples.
    """
    hop = max(round(sample_rate / FRAMES_PER_S), 1)
    frame = 2 * hop
    window = np.hanning(frame + 1)[:-1].astype(np.float32)
    bands = _bands(frame, sample_rate, top_hz)
    pending = np.zeros(0, dtype=np.float32)
    energies: list[NDArray[np.float32]] = []
    num_samples, power = 0, 0.0
    for block in blocks:
        mono = np.nan_to_num(block.mean(axis=0), posinf=0.0, neginf=0.0).astype(np.float32)
        num_samples += len(mono)
        power += float(mono.astype(np.float64) @ mono)
        pending = np.concatenate([pending, mono])
        num_frames = (len(pending) - frame) // hop + 1
        if num_frames > 0:
            frames = np.lib.stride_tricks.sliding_window_view(pending, frame)[::hop][:num_frames]
            spectrum = scipy.fft.rfft(frames * window, axis=1)
            energies.append((spectrum.real**2 + spectrum.imag**2) @ bands)
            pending = pending[num_frames * hop :]
    energy = np.concatenate(energies).T if energies else np.zeros((NUM_BANDS, 0), dtype=np.float32)
    values = _normalised(energy, _known(lost, hop, energy.shape[1]))
    return Features(values, sample_rate / hop, num_samples, float(np.sqrt(power / max(num_samples, 1))))


def _bands(frame: int, sample_rate: int, top_hz: float) -> NDArray[np.float32]:
    """Return the membership of bins in bands: (bins, b)."""
    edges = np.geomspace(min(LOWEST_HZ, top_hz / 10), top_hz, NUM_BANDS + 1)
    bins = np.fft.rfftfreq(frame, 1 / sample_rate)
    return ((bins[:, None] >= edges[:-1]) & (bins[:, None] < edges[1:])).astype(np.float32)


def _known(lost: Sequence[tuple[int, int]], hop: int, num_frames: int) -> NDArray[np.bool_]:
    """Frames without a lost sample: (f,)."""
    known = np.ones(num_frames, dtype=bool)
    for start, stop in lost:
        known[max(start // hop - 1, 0) : max(-(-stop // hop), 0)] = False
    return known


def _normalised(energy: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Energies as features."""
    if not known.any():
        return np.zeros_like(energy)
    mean = energy[:, known].mean(axis=1, keepdims=True)
    level = np.log(np.where(known, energy, mean) + FLOOR * mean + 1e-20)
    size = round(SLOW_S * FRAMES_PER_S)
    count = uniform_filter1d(known.astype(np.float32), size, mode="constant")
    slow = uniform_filter1d(np.where(known, level, 0), size, axis=1, mode="constant") / np.maximum(count, 1e-3)
    values = np.where(known, level - slow, 0)
    scale = values.std(axis=1, keepdims=True) + 1e-6
    return np.clip(values / scale, -MOST, MOST).astype(np.float32)
