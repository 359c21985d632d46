"""Mixtures of two fills with the energy that the gap's surroundings predict.

Least squares gives the expected value, which is near zero where music is noise: the fill of a long gap is too quiet.
Another fill, less near to the waveform but of the right level, lends it bands, the cheapest first, until the change
costs a given share of the error that is predicted anyhow.

Shapes: g = samples of a gap, T = frames, B = bands.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

FRAME_S = 0.023
BANDS_PER_OCTAVE = 3
LOWEST_HZ = 60.0
FADE_S = 0.001  # at either end of a gap
JOIN_S = 0.002  # cross-fade inside the gap

Signal = NDArray[np.float64]


def mix_bands(fill: Signal, other: Signal, budget: float, sample_rate: int) -> Signal:
    """Mix bands of another fill into the fill of a gap.

    Args:
        fill: (g,).
        other: (g,).
        budget: energy that the change may have: a sum of squares.
        sample_rate: Hz.

    Returns:
        (g,); at its borders the fill's own.
    """
    length = len(fill)
    fade = join_weight(length, sample_rate, FADE_S)
    change = fade * (other - fill)
    energy = float(np.sum(change**2))
    if energy <= budget:
        return fill + change
    spectra = _spectra(change, sample_rate)
    bands = _bands(spectra.shape[1], sample_rate)
    costs = _sums(np.abs(spectra) ** 2, bands)  # (T, B)
    total = costs.sum()
    if total <= 0 or budget <= 0:
        return fill.copy()
    share = _affordable(costs * (energy / total), budget)
    return fill + fade * _signal(spectra * share[:, bands], length, sample_rate)


def _affordable(costs: Signal, budget: float) -> Signal:
    """Return the share taken of each cell, the cheapest first, the last in part: in the shape of costs."""
    order = np.argsort(costs, axis=None, kind="stable")
    sums = np.cumsum(costs.ravel()[order])
    whole = int(np.searchsorted(sums, budget, side="right"))
    share = np.zeros(costs.size)
    share[order[:whole]] = 1.0
    if whole < costs.size:
        rest = budget - (sums[whole - 1] if whole else 0.0)
        share[order[whole]] = np.sqrt(rest / costs.ravel()[order[whole]])
    return share.reshape(costs.shape)


def _frame(sample_rate: int) -> int:
    return 2 * max(round(FRAME_S * sample_rate / 2), 8)


def _spectra(signal: Signal, sample_rate: int) -> NDArray[np.complex128]:
    """Transform half-overlapping Hann frames over the signal and half a frame on either side: (T, frame / 2 + 1)."""
    frame = _frame(sample_rate)
    num_frames = -(-len(signal) // (frame // 2)) + 1
    padded = np.zeros((num_frames + 1) * (frame // 2))
    padded[frame // 2 : frame // 2 + len(signal)] = signal
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[:: frame // 2]
    return scipy.fft.rfft(frames * _hann(frame), axis=-1)


def _signal(spectra: NDArray[np.complex128], length: int, sample_rate: int) -> Signal:
    """Add the frames, whose windows add up to 1: (g,)."""
    frame = _frame(sample_rate)
    frames = scipy.fft.irfft(spectra, frame, axis=-1)
    summed = np.zeros((len(frames) + 1, frame // 2))
    summed[:-1] += frames[:, : frame // 2]
    summed[1:] += frames[:, frame // 2 :]
    return summed.ravel()[frame // 2 : frame // 2 + length]


def _hann(frame: int) -> Signal:
    return np.sin(np.pi * np.arange(frame) / frame) ** 2


def _bands(num_bins: int, sample_rate: int) -> NDArray[np.int64]:
    """Return the band of each bin, contiguous third octaves: (bins,)."""
    hertz = np.arange(num_bins) * sample_rate / (2 * (num_bins - 1))
    number = np.floor(BANDS_PER_OCTAVE * np.log2(np.maximum(hertz, LOWEST_HZ) / LOWEST_HZ)).astype(int)
    return np.unique(number, return_inverse=True)[1]


def _sums(power: Signal, bands: NDArray[np.int64]) -> Signal:
    """Sum over the bins of each band: (T, B)."""
    return np.add.reduceat(power, np.flatnonzero(np.diff(bands, prepend=-1)), axis=1)


def join_weight(num_samples: int, sample_rate: int, join_s: float = JOIN_S) -> NDArray[np.float64]:
    """Return the weight of new values over a gap: from 0 at its borders to 1 within the time given, (num_samples,)."""
    length = min(max(round(join_s * sample_rate), 1), (num_samples + 1) // 2)
    place = np.arange(num_samples)
    distance = np.minimum(place, num_samples - 1 - place) + 0.5
    return np.sin(np.pi / 2 * np.minimum(distance / length, 1.0)) ** 2
