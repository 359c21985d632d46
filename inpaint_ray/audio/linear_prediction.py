"""Linear predictors from autocorrelation, and lost samples estimated by least prediction error.

Shapes: w = samples of a window, m = lost samples in it, p = order.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_toeplitz
from scipy.signal import fftconvolve, lfilter, lfiltic

Signal = NDArray[np.float64]

DIAGONAL = 1e-12  # share added to the equations of the lost samples, so that rounding does not make them singular


def autocorrelation(values: Signal, num_lags: int) -> Signal:
    """Compute the autocorrelation at lags 0 to num_lags: (num_lags + 1,)."""
    length = scipy.fft.next_fast_len(len(values) + num_lags + 1, real=True)
    spectrum = scipy.fft.rfft(values, length)
    return scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, length)[: num_lags + 1]


def predictor(correlation: Signal, *, noise: float) -> Signal:
    """Compute the predictor of an autocorrelation, always stable, divided by its RMS error: (p + 1,) from (p + 1,).

    Prediction errors of several predictors have the same power, 1, and may be added.

    Args:
        correlation: lags 0 to p.
        noise: share of the power, white, that is added to the signal: what is weaker is not predicted.
    """
    if correlation[0] <= 0:
        return np.eye(1, len(correlation))[0]
    lags = correlation / correlation[0]
    lags[0] += noise
    coefficients = np.concatenate([[1.0], solve_toeplitz(lags[:-1], -lags[1:])]) if len(lags) > 1 else np.ones(1)
    return coefficients / np.sqrt(max(lags @ coefficients, noise * 1e-3))


def least_error(window: Signal, index: NDArray[np.int64], *predictors: Signal) -> Signal:
    """Estimate lost samples by the least squares of backward prediction errors over the window.

    Errors that would need samples before the window are left out, so that a gap at its very start is extrapolated.

    Args:
        window: (w,) with zeros at the lost samples.
        index: (m,) increasing, the places of the lost samples.
        predictors: (p + 1,) each, all of one order; the squares of their errors are added.

    Returns:
        (m,)
    """
    order = len(predictors[0]) - 1
    contiguous = index[-1] - index[0] == len(index) - 1
    if index[0] == 0 and contiguous:  # no error is left
        return np.mean([predict(window[len(index) :][::-1], one, len(index))[::-1] for one in predictors], axis=0)
    skipped = max(int(index[0]) - order, 0)  # errors before and after do not reach the lost samples
    window, index = window[skipped : index[-1] + order + 1], index - skipped
    right = np.zeros(len(index))
    lags = np.zeros(order + 1)
    for one in predictors:
        error = fftconvolve(window, one[::-1])[order:]  # (w,) sum_k a_k x(n + k)
        right -= fftconvolve(error, one)[index]
        lags += autocorrelation(one, order)
    if index[0] >= order and contiguous:
        column = np.zeros(len(index))
        column[: order + 1] = lags[: len(index)]
        column[0] *= 1 + DIAGONAL
        return solve_toeplitz(column, right)
    if index[0] >= order:
        padded = np.concatenate([lags, [0.0]])
        matrix = padded[np.minimum(np.abs(index[:, None] - index[None, :]), order + 1)]
    else:
        matrix = sum((_cut_matrix(index, one) for one in predictors), np.zeros((len(index), len(index))))
    matrix[np.diag_indices_from(matrix)] *= 1 + DIAGONAL
    return cho_solve(cho_factor(matrix, overwrite_a=True), right)


def _cut_matrix(index: NDArray[np.int64], coefficients: Signal) -> NDArray[np.float64]:
    """B_ij = sum over n >= 0 of a_{i-n} a_{j-n}, (m, m): the lags of a, less what lies before the window."""
    length = int(index[-1]) + 1
    padded = np.zeros(length)
    padded[: len(coefficients)] = coefficients[:length]
    rows = np.zeros((len(index), len(index)))
    row = np.zeros(length)
    number = 0
    for i in range(length):  # B_ij = B_{i-1,j-1} + a_i a_j
        row[1:] = row[:-1].copy()
        row[0] = 0.0
        if i < len(coefficients):
            row += padded[i] * padded
        if i == index[number]:
            rows[number] = row[index]
            number += 1
    return rows


def predict(known: Signal, coefficients: Signal, num_samples: int) -> Signal:
    """Extrapolate the known samples with zero prediction error: (num_samples,)."""
    recent = np.zeros(len(coefficients) - 1)
    reach = min(len(known), len(recent))
    recent[:reach] = known[len(known) - reach :][::-1]
    monic = coefficients / coefficients[0]
    return lfilter([1.0], monic, np.zeros(num_samples), zi=lfiltic([1.0], monic, recent))[0]
