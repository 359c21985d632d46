"""Filling of a gap in one channel while another one sounds on, with what the two share.

Shapes: c = channels, n = samples of each, w = samples of a window around a gap, t = taps of a filter.
"""

from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.signal import fftconvolve

from inpaint_ray.audio.runs import find_runs

CONTEXT_S = 0.37  # on either side of a gap: what autoregression looks at
REACH_S = 32 / 44_100  # of the filter from one channel to another, to either side
WHITE_NOISE = 1e-4  # share of the other channel's power

Signal = NDArray[np.float64]
Fill = Callable[[Signal, NDArray[np.bool_]], Signal]  # (w,) and lost, (w,) -> (w,)


def known_elsewhere(lost: NDArray[np.bool_], sample_rate: int) -> NDArray[np.bool_]:
    """Mark samples in gaps throughout which, and a little around, another channel is known: (c, n) -> (c, n)."""
    known = np.zeros_like(lost)
    for channel in range(len(lost)):
        for start, stop in zip(*find_runs(lost[channel]), strict=True):
            known[channel, start:stop] = len(_others(lost, channel, start, stop, sample_rate)) > 0
    return known


def fill_from_others(
    filled: NDArray, lost: NDArray[np.bool_], chosen: NDArray[np.bool_], sample_rate: int, fill: Fill
) -> None:
    """Fill gaps of single channels again, in place, with the help of the most similar other channel.

    The other channel through the best filter from one to the other is taken away around a gap, what remains is filled
    by itself, and the filtered channel is added again.

    Args:
        filled: (c, n) float, every gap filled as well as it can be without other channels.
        lost: (c, n).
        chosen: (c, n) gaps that are filled again; each must be known elsewhere.
        sample_rate: Hz.
        fill: fills what remains.
    """
    context = round(CONTEXT_S * sample_rate)
    for channel in range(len(filled)):
        for start, stop in zip(*find_runs(chosen[channel]), strict=True):
            first, last = max(start - context, 0), min(stop + context, filled.shape[1])
            gap = np.zeros(last - first, dtype=bool)
            gap[start - first : stop - first] = True
            window = np.where(gap, 0.0, filled[channel, first:last].astype(np.float64))
            shared = [
                _shared(window, filled[other, first:last].astype(np.float64), gap, sample_rate)
                for other in _others(lost, channel, start, stop, sample_rate)
            ]
            best = min(shared, key=lambda part: float(np.sum((window - part)[~gap] ** 2)))
            filled[channel, start:stop] = (best + fill(np.where(gap, 0.0, window - best), gap))[gap]


def _others(lost: NDArray[np.bool_], channel: int, start: int, stop: int, sample_rate: int) -> list[int]:
    reach = _reach(sample_rate)
    around = lost[:, max(start - reach, 0) : stop + reach]
    return [other for other in np.flatnonzero(~around.any(axis=1)).tolist() if other != channel]


def _shared(window: Signal, other: Signal, gap: NDArray[np.bool_], sample_rate: int) -> Signal:
    """Filter the other channel so that it is nearest to the window outside the gap: (w,)."""
    reach = _reach(sample_rate)
    start, stop = np.flatnonzero(gap)[[0, -1]] + [0, 1]
    weight = np.concatenate([_rise(start), np.zeros(stop - start), _rise(len(window) - stop)[::-1]])
    length = scipy.fft.next_fast_len(len(window) + 2 * reach, real=True)
    source = scipy.fft.rfft(other * weight, length)
    correlation = scipy.fft.irfft(np.abs(source) ** 2, length)[: 2 * reach + 1]
    if correlation[0] <= 0:
        return np.zeros(len(window))
    crossed = scipy.fft.irfft(scipy.fft.rfft(window * weight, length) * source.conj(), length)
    scale, correlation[0] = correlation[0], correlation[0] * (1 + WHITE_NOISE)
    taps = solve_toeplitz(correlation / scale, np.concatenate([crossed[-reach:], crossed[: reach + 1]]) / scale)
    return fftconvolve(other, taps)[reach : reach + len(window)]


def _reach(sample_rate: int) -> int:
    return max(round(REACH_S * sample_rate), 1)


def _rise(num_samples: int) -> Signal:
    return np.sin(np.pi / 2 * (np.arange(num_samples) + 0.5) / max(num_samples, 1))
