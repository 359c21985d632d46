"""Gap filling by autoregressive interpolation (Janssen, Veldhuis and Vries, 1986), at the signal's own rate.

In turn, the coefficients are estimated from the surroundings of a gap, filled as well as is known so far, and the
lost samples are set so that the prediction error is least. Gaps closer together than the order are solved jointly.
Longer gaps are extrapolated from both sides and cross-faded (Kauppinen and Roth, 2002): the dense solution gains
less than 0.4 dB there, and its cost grows with the square of the length.

Shapes: n = samples of the signal, w = samples of a window around neighbouring gaps, m = lost samples in it, p = order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_toeplitz
from scipy.signal import fftconvolve, lfilter, lfiltic

from inpaint_ray.audio.detection import find_runs

ORDER_S = 2048 / 44_100  # p at 44.1 kHz: 2048, with 8192 samples of context on either side
CONTEXT_ORDERS = 4  # samples of context per order
BRIEF_GAP_S = 0.01  # below, half the order does as well in a third of the time
MAX_ORDER = 4096  # above 88.2 kHz, cost grows and quality does not
NUM_SWEEPS = 2  # estimates of the coefficients; a third changes less than 0.1 dB
MAX_SOLVED = 4800  # samples of a gap, 0.1 s at 48 kHz; longer ones are extrapolated
MAX_JOINT = 2048  # lost samples solved together: a matrix of 32 MiB
WHITE_NOISE = 1e-9  # share of the power, -90 dB, that keeps the equations of a pure tone solvable


@dataclass(frozen=True)
class _Block:
    """Neighbouring gaps that are solved together, and the known or already filled samples that may be looked at."""

    gaps: list[tuple[int, int]]  # start and stop of each, in samples
    before: int  # first sample that may be looked at
    after: int  # one past the last one
    order: int


def fill_gaps(
    signal: NDArray[np.float64], lost: NDArray[np.bool_], sample_rate: int, *, max_gap_s: float = 1.0
) -> NDArray[np.float64]:
    """The signal with its gaps filled; cost follows the number and length of the gaps, not the signal's.

    Args:
        signal: (n,), finite where it is not lost; what stands in lost samples is not looked at.
        lost: (n,), True where a sample is missing.
        sample_rate: Hz.
        max_gap_s: longer gaps are left as silence; all that autoregression knows has died away long before.

    Returns:
        (n,) finite; known samples are the input's, bit for bit. Where everything is lost, zeros.
    """
    filled = np.where(lost, 0.0, signal)
    starts, stops = find_runs(lost)
    lengths = stops - starts
    solved = lengths <= MAX_SOLVED
    walls = _Walls(starts[~solved], stops[~solved], len(filled))
    order = _order(sample_rate)
    gaps = list(zip(starts[solved].tolist(), stops[solved].tolist(), strict=True))
    blocks = list(_blocks(gaps, walls, order, brief=int(BRIEF_GAP_S * sample_rate)))
    for sweep in range(NUM_SWEEPS):
        for number, block in enumerate(blocks):
            following = blocks[number + 1].gaps[0][0] if number + 1 < len(blocks) else block.after
            _solve(filled, block, after=min(block.after, following) if sweep == 0 else block.after)
    extrapolated = ~solved & (lengths <= max_gap_s * sample_rate)
    for start, stop in zip(starts[extrapolated].tolist(), stops[extrapolated].tolist(), strict=True):
        before, after = walls.around(start, stop, CONTEXT_ORDERS * order)
        filled[start:stop] = _extrapolate(filled[before:start], filled[stop:after], stop - start, order)
    too_long = lengths > max_gap_s * sample_rate
    for start, stop in zip(starts[too_long].tolist(), stops[too_long].tolist(), strict=True):
        filled[start:stop] = 0.0
    return filled


def _order(sample_rate: int) -> int:
    return min(max(round(ORDER_S * sample_rate), 32), MAX_ORDER)


class _Walls:
    """What no context may reach across: the ends of the signal and the long gaps."""

    def __init__(self, starts: NDArray[np.int64], stops: NDArray[np.int64], num_samples: int) -> None:
        self._lefts = np.concatenate([[0], stops])
        self._rights = np.concatenate([starts, [num_samples]])

    def around(self, start: int, stop: int, context: int) -> tuple[int, int]:
        """First, and one past the last, of at most `context` samples on either side of a stretch."""
        left = self._lefts[np.searchsorted(self._lefts, start, side="right") - 1]
        right = self._rights[np.searchsorted(self._rights, stop, side="left")]
        return max(int(left), start - context), min(int(right), stop + context)


def _blocks(gaps: list[tuple[int, int]], walls: _Walls, order: int, *, brief: int) -> Iterator[_Block]:
    """Join gaps that lie within an order of each other, as far as the size of one solution allows."""
    joined: list[tuple[int, int]] = []
    for gap in [*gaps, None]:
        if joined and (gap is None or not _joins(joined, gap, walls, order)):
            halved = all(stop - start < brief for start, stop in joined)
            block_order = max(order // 2, 1) if halved else order
            before, after = walls.around(joined[0][0], joined[-1][1], CONTEXT_ORDERS * block_order)
            yield _Block(gaps=joined, before=before, after=after, order=block_order)
            joined = []
        if gap is not None:
            joined = [*joined, gap]


def _joins(joined: list[tuple[int, int]], gap: tuple[int, int], walls: _Walls, order: int) -> bool:
    num_lost = sum(stop - start for start, stop in [*joined, gap])
    span = gap[1] - joined[0][0]
    near = gap[0] - joined[-1][1] < order and span <= CONTEXT_ORDERS * order and num_lost <= MAX_JOINT
    return near and walls.around(*joined[-1], order)[1] > gap[0]


def _solve(filled: NDArray[np.float64], block: _Block, *, after: int) -> None:
    """One sweep of Janssen's method over one block, in place."""
    first = block.gaps[0][0] - block.before
    mirrored = after - block.gaps[-1][1] < min(first, block.order)  # the poorer side is put first
    window = filled[block.before : after].copy()
    index = np.concatenate([np.arange(start, stop) for start, stop in block.gaps]) - block.before
    scale = np.abs(window).max()
    num_known = len(window) - len(index)
    if scale == 0 or num_known < 2:
        return
    window /= scale
    if mirrored:
        window, index = window[::-1].copy(), len(window) - 1 - index[::-1]
    coefficients = _estimate([window], min(block.order, max(num_known // 3, 1)))
    window[index] = 0.0
    values = scale * _least_error(window, index, coefficients)
    filled[block.before + (len(window) - 1 - index if mirrored else index)] = values


def _estimate(segments: list[NDArray[np.float64]], order: int) -> NDArray[np.float64]:
    """Coefficients 1, a_1, ..., a_p of the predictor by the autocorrelation method: (p + 1,), always stable."""
    correlation = sum((_autocorrelation(segment, order) for segment in segments), np.zeros(order + 1))
    if correlation[0] == 0:
        return np.eye(1, order + 1)[0]
    correlation /= correlation[0]
    correlation[0] += WHITE_NOISE
    return np.concatenate([[1.0], solve_toeplitz(correlation[:-1], -correlation[1:])])


def _autocorrelation(values: NDArray[np.float64], num_lags: int) -> NDArray[np.float64]:
    """Lags 0 to num_lags: (num_lags + 1,)."""
    length = 1 << (len(values) + num_lags).bit_length()
    spectrum = np.fft.rfft(values, length)
    return np.fft.irfft(spectrum.real**2 + spectrum.imag**2, length)[: num_lags + 1]


def _least_error(
    window: NDArray[np.float64], index: NDArray[np.int64], coefficients: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values of the lost samples for which the backward prediction error over the window is least.

    Errors that would need samples before the window are left out, so that a gap at its very start is extrapolated.

    Args:
        window: (w,) with zeros at the lost samples.
        index: (m,) increasing, the places of the lost samples.
        coefficients: (p + 1,) of the predictor.

    Returns:
        (m,)
    """
    order = len(coefficients) - 1
    error = fftconvolve(window, coefficients[::-1])[order:]  # (w,) sum_k a_k x(n + k)
    right = -fftconvolve(error, coefficients)[index]
    lags = _autocorrelation(coefficients, order)
    lags[0] *= 1 + 1e-12
    contiguous = index[-1] - index[0] == len(index) - 1
    if index[0] == 0 and contiguous:
        return _predict(window[len(index) :][::-1], coefficients, len(index))[::-1]  # no error is left
    if index[0] >= order and contiguous:
        column = np.zeros(len(index))
        column[: order + 1] = lags[: len(index)]
        return solve_toeplitz(column, right)
    return cho_solve(cho_factor(_normal_matrix(index, coefficients, lags), overwrite_a=True), right)


def _normal_matrix(
    index: NDArray[np.int64], coefficients: NDArray[np.float64], lags: NDArray[np.float64]
) -> NDArray[np.float64]:
    """B_ij = sum over n >= 0 of a_{i-n} a_{j-n}, (m, m): the lags of a, less what lies before the window."""
    order = len(coefficients) - 1
    if index[0] >= order:
        padded = np.concatenate([lags, [0.0]])
        return padded[np.minimum(np.abs(index[:, None] - index[None, :]), order + 1)]
    length = int(index[-1]) + 1
    padded = np.zeros(length)
    padded[: order + 1] = coefficients[:length]
    rows = np.zeros((len(index), len(index)))
    row = np.zeros(length)
    number = 0
    for i in range(length):  # B_ij = B_{i-1,j-1} + a_i a_j
        row[1:] = row[:-1].copy()
        row[0] = 0.0
        if i <= order:
            row += padded[i] * padded
        if i == index[number]:
            rows[number] = row[index]
            number += 1
    rows[np.diag_indices_from(rows)] *= 1 + 1e-12
    return rows


def _extrapolate(
    before: NDArray[np.float64], after: NDArray[np.float64], num_lost: int, order: int
) -> NDArray[np.float64]:
    """Predict a long gap forwards and backwards with the same coefficients and cross-fade: (num_lost,)."""
    scale = max(np.abs(before).max(initial=0.0), np.abs(after).max(initial=0.0))
    if scale == 0:
        return np.zeros(num_lost)
    before, after = before / scale, after[::-1] / scale
    coefficients = _estimate([before, after], min(order, max((len(before) + len(after)) // 3, 1)))
    forwards = _predict(before, coefficients, num_lost)
    backwards = _predict(after, coefficients, num_lost)[::-1]
    place = np.arange(num_lost) + 0.5
    if len(before) <= len(after):  # a side with little context is trusted no further than it reaches
        share = np.minimum(place / max(min(len(before), num_lost), 1), 1.0)
    else:
        share = np.maximum(1.0 - (num_lost - place) / max(min(len(after), num_lost), 1), 0.0)
    weight = np.sin(np.pi / 2 * share) ** 2
    if len(before) == 0:
        weight[:] = 1.0
    if len(after) == 0:
        weight[:] = 0.0
    return scale * ((1 - weight) * forwards + weight * backwards)


def _predict(known: NDArray[np.float64], coefficients: NDArray[np.float64], num_samples: int) -> NDArray[np.float64]:
    """The samples that follow the known ones when the prediction error is zero: (num_samples,)."""
    recent = np.zeros(len(coefficients) - 1)
    reach = min(len(known), len(recent))
    recent[:reach] = known[len(known) - reach :][::-1]
    state = lfiltic([1.0], coefficients, recent)
    return lfilter([1.0], coefficients, np.zeros(num_samples), zi=state)[0]
