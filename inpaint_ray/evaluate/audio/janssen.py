"""Janssen's interpolation as the textbooks have it (Janssen, Veldhuis and Vries, 1986): a baseline.

Gap by gap, with a fixed low order, whatever the rate and the length of the gap; `audio/autoregressive.py` is ours.

Shapes: n = samples of the signal, w = samples of the window around a gap, m = samples of the gap, p = order.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz, solveh_banded
from scipy.signal import fftconvolve

from inpaint_ray.audio.runs import find_runs

ORDER = 50  # the paper's largest; it takes min(3 m + 2, 50), which is 50 for gaps of 16 samples and more
CONTEXT = 1024  # known samples on either side
NUM_ITERATIONS = 10
WHITE_NOISE = 1e-9  # share of the power that keeps the equations of a pure tone solvable


def fill_textbook(known: NDArray[np.float64], lost: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fill the gaps of a signal, one after the other: (n,)."""
    filled = np.where(lost, 0.0, known)
    for start, stop in zip(*find_runs(lost), strict=True):
        first, last = max(start - CONTEXT, 0), min(stop + CONTEXT, len(filled))
        filled[start:stop] = _solve(filled[first:last], int(start - first), int(stop - first))
    return filled


def _solve(window: NDArray[np.float64], start: int, stop: int) -> NDArray[np.float64]:
    """Solve for the samples of one gap, (m,), from a window, (w,), in which they are zero."""
    window = window.copy()
    order = min(ORDER, 3 * (stop - start) + 2, len(window) // 3)
    known = np.concatenate([window[:start], window[stop:]])
    if order < 1 or not known.any():
        return window[start:stop]
    for _ in range(NUM_ITERATIONS):
        coefficients = _estimate(window, order)
        lags = np.correlate(coefficients, coefficients, "full")[order:]
        without = window.copy()
        without[start:stop] = 0.0
        # Over the whole window, the error is least where its correlation with the predictor is zero in the gap.
        right = -fftconvolve(without, np.concatenate([lags[:0:-1], lags]), mode="same")[start:stop]
        band = lags[: stop - start]
        window[start:stop] = solveh_banded(np.repeat(band[:, None], stop - start, axis=1), right, lower=True)
    return window[start:stop]


def _estimate(window: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Estimate coefficients 1, a_1, ..., a_p by the autocorrelation method: (p + 1,)."""
    correlation = np.array([window[: len(window) - lag] @ window[lag:] for lag in range(order + 1)])
    correlation /= correlation[0]
    correlation[0] += WHITE_NOISE
    return np.concatenate([[1.0], solve_toeplitz(correlation[:-1], -correlation[1:])])
