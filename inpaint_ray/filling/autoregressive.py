"""Gap filling by autoregressive interpolation (Janssen, Veldhuis and Vries, 1986), at the signal's own rate.

A first fill comes from a predictor of half the order that has seen only what is around a gap. With it in place, two
predictors of full order are estimated over the gap and its surroundings: one leans on what came before, one on what
comes after. The lost samples are those for which the errors of both are least. Gaps closer together than the order
are solved jointly. Longer gaps are extrapolated from both sides and cross-faded (Kauppinen and Roth, 2002): the dense
solution's cost grows with the square of the length.

Shapes: n = samples of the signal, w = samples of a window around neighbouring gaps, m = lost samples in it, p = order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.linear_prediction import autocorrelation, least_error, predict, predictor
from inpaint_ray.audio.runs import find_runs

ORDER_S = 2048 / 44_100  # p at 44.1 kHz: 2048; half, or one and a half, is worse at every length
CONTEXT_ORDERS = 8  # samples of context per order, on either side; weights fall to zero there
FAR_SHARE = 0.3  # of the context, on the side that a predictor does not lean on; 0.1 and 0.6 are worse
SEED_EDGE = 0.05  # share of the context that is faded towards the gap for the first fill
JOINT_ORDERS = 4  # the longest stretch of gaps that is solved together, in orders
LOW_RATE_ORDER_S, LOW_RATE_ORDER = 0.064, 1024  # p at 16 kHz: 1024, where 743 loses 0.3 dB
MAX_ORDER = 4096  # above 88.2 kHz, cost grows and quality does not
LEVEL_ORDERS = 2  # samples on either side, in orders, whose levels are compared
MAX_SOLVED_S = 0.2  # of a gap; longer ones are extrapolated
MOST_SOLVED = 19_200  # samples, 0.1 s at 192 kHz: the time grows with the square
MAX_SOLVED = 4800  # samples that are solved at any rate, and near an edge no more: the equations there are a matrix
MAX_JOINT = 2048  # lost samples solved together: a matrix of 32 MiB
WHITE_NOISE = 1e-4  # share of the power, -40 dB: the noise of a recording is not predicted
FADE_S = 0.01  # at either end of a gap that is left silent
EXTRAPOLATION_ORDERS = 4  # samples of context per order
EXTRAPOLATION_NOISE = 1e-9  # extrapolated tones must not die away


@dataclass(frozen=True)
class _GapGroup:
    """Neighbouring gaps that are solved together, and the known or already filled samples that may be looked at."""

    gaps: list[tuple[int, int]]  # start and stop of each, in samples
    before: int  # first sample that may be looked at
    after: int  # one past the last one
    order: int
    context_orders: int = CONTEXT_ORDERS


def fill_gaps(
    signal: NDArray[np.float64],
    lost: NDArray[np.bool_],
    sample_rate: int,
    *,
    max_gap_s: float = 1.0,
    max_solved_s: float = MAX_SOLVED_S,
    order_scale: float = 1.0,
    context_orders: int = CONTEXT_ORDERS,
) -> NDArray[np.float64]:
    """Fill the gaps of a signal; the cost follows the number and length of the gaps, not the signal's.

    Args:
        signal: (n,), finite where it is not lost; what stands in lost samples is not looked at.
        lost: (n,), True where a sample is missing.
        sample_rate: Hz.
        max_gap_s: longer gaps are left as silence, but for a fade of 10 ms at either end; all that autoregression
            knows has died away long before.
        max_solved_s: longer gaps are extrapolated.
        order_scale: of the usual order.
        context_orders: samples of context per order, on either side.

    Returns:
        (n,) finite; known samples are the input's, bit for bit. Where everything is lost, zeros.
    """
    filled = np.where(lost, 0.0, signal)
    starts, stops = find_runs(lost)
    lengths = stops - starts
    order = max(round(order_scale * _order(sample_rate)), 2)
    near_edge = np.minimum(starts, len(filled) - stops) < order
    solved = lengths <= np.where(near_edge, MAX_SOLVED, max(MAX_SOLVED, min(max_solved_s * sample_rate, MOST_SOLVED)))
    limits = _Limits(starts[~solved], stops[~solved], len(filled))
    gaps = list(zip(starts[solved].tolist(), stops[solved].tolist(), strict=True))
    groups = list(_groups(gaps, limits, order, context_orders))
    for number, group in enumerate(groups):
        following = groups[number + 1].gaps[0][0] if number + 1 < len(groups) else group.after
        _solve(filled, group, after=min(group.after, following), seed=True)
    for group in groups:
        _solve(filled, group, after=group.after, seed=False)
    extrapolated = ~solved & (lengths <= max_gap_s * sample_rate)
    for start, stop in zip(starts[extrapolated].tolist(), stops[extrapolated].tolist(), strict=True):
        before, after = limits.around(start, stop, EXTRAPOLATION_ORDERS * order)
        filled[start:stop] = _extrapolate(filled[before:start], filled[stop:after], stop - start, order)
    too_long = lengths > max_gap_s * sample_rate
    for start, stop in zip(starts[too_long].tolist(), stops[too_long].tolist(), strict=True):
        before, after = limits.around(start, stop, EXTRAPOLATION_ORDERS * order)
        filled[start:stop] = _fade(filled[before:start], filled[stop:after], stop - start, order, sample_rate)
    return filled


def _order(sample_rate: int) -> int:
    low = min(round(LOW_RATE_ORDER_S * sample_rate), LOW_RATE_ORDER)
    return min(max(round(ORDER_S * sample_rate), low, 32), MAX_ORDER)


class _Limits:
    """Limits that no context may cross: the ends of the signal and the long gaps."""

    def __init__(self, starts: NDArray[np.int64], stops: NDArray[np.int64], num_samples: int) -> None:
        self._lefts = np.concatenate([[0], stops])
        self._rights = np.concatenate([starts, [num_samples]])

    def around(self, start: int, stop: int, context: int) -> tuple[int, int]:
        """Return start and stop of a stretch with at most `context` samples on either side."""
        left = self._lefts[np.searchsorted(self._lefts, start, side="right") - 1]
        right = self._rights[np.searchsorted(self._rights, stop, side="left")]
        return max(int(left), start - context), min(int(right), stop + context)


def _groups(gaps: list[tuple[int, int]], limits: _Limits, order: int, context_orders: int) -> Iterator[_GapGroup]:
    """Join gaps that lie within an order of each other, as far as the size of one solution allows."""
    joined: list[tuple[int, int]] = []
    for gap in [*gaps, None]:
        if joined and (gap is None or not _joins(joined, gap, limits, order)):
            before, after = limits.around(joined[0][0], joined[-1][1], context_orders * order)
            yield _GapGroup(joined, before, after, order, context_orders)
            joined = []
        if gap is not None:
            joined = [*joined, gap]


def _joins(joined: list[tuple[int, int]], gap: tuple[int, int], limits: _Limits, order: int) -> bool:
    num_lost = sum(stop - start for start, stop in [*joined, gap])
    span = gap[1] - joined[0][0]
    near = gap[0] - joined[-1][1] < order and span <= JOINT_ORDERS * order and num_lost <= MAX_JOINT
    return near and limits.around(*joined[-1], order)[1] > gap[0]


def _solve(filled: NDArray[np.float64], group: _GapGroup, *, after: int, seed: bool) -> None:
    """Fill one group in place; the seed is the first fill, which starts from nothing."""
    first = group.gaps[0][0] - group.before
    mirrored = after - group.gaps[-1][1] < min(first, group.order)  # the poorer side is put first
    window = filled[group.before : after].copy()
    index = np.concatenate([np.arange(start, stop) for start, stop in group.gaps]) - group.before
    scale = np.abs(window).max()
    num_known = len(window) - len(index)
    if scale == 0 or num_known < 2:
        return
    window /= scale
    if mirrored:
        window, index = window[::-1].copy(), len(window) - 1 - index[::-1]
    envelope = _envelope(window, int(index[0]), int(index[-1]) + 1, group.order)
    window /= envelope
    if seed:
        correlations = [_seed_correlation(window, index, _within(group.order // 2, num_known))]
    else:
        correlations = _leaning_correlations(window, index, _within(group.order, num_known), group.context_orders)
    window[index] = 0.0
    predictors = [predictor(correlation, noise=WHITE_NOISE) for correlation in correlations]
    values = scale * envelope[index] * least_error(window, index, *predictors)
    filled[group.before + (len(window) - 1 - index if mirrored else index)] = values


def _envelope(window: NDArray[np.float64], start: int, stop: int, order: int) -> NDArray[np.float64]:
    """Estimate the exponential growth or decay of a window across its gap, to be divided by: (w,)."""
    reach = LEVEL_ORDERS * order
    before, after = window[max(start - reach, 0) : start], window[stop : stop + reach]
    if len(before) < order or len(after) < order or not (before.any() and after.any()):
        return np.ones(len(window))
    change = np.clip(0.25 * np.log(np.mean(after**2) / np.mean(before**2)), -1, 1)  # half of it on either side
    place = (np.arange(len(window)) - (start + stop - 1) / 2) / (reach + (stop - start) / 2)
    return np.exp(change * np.clip(place, -1, 1))


def _within(order: int, num_known: int) -> int:
    """Return the order, limited to what the known samples can support."""
    return max(min(order, num_known // 3), 1)


def _seed_correlation(window: NDArray[np.float64], index: NDArray[np.int64], order: int) -> NDArray[np.float64]:
    """Compute the autocorrelation of what lies before, after and between the gaps: (p + 1,)."""
    first, last = int(index[0]), int(index[-1]) + 1
    reach = CONTEXT_ORDERS * order
    before, after = window[max(first - reach, 0) : first], window[last : last + reach][::-1]
    stretches = [
        side * _rise(len(side)) * _rise(round(SEED_EDGE * len(side)), len(side))[::-1] for side in (before, after)
    ]
    if last - first > len(index):
        stretches.append(window[first:last])
    return sum((autocorrelation(stretch, order) for stretch in stretches if len(stretch)), np.zeros(order + 1))


def _leaning_correlations(
    window: NDArray[np.float64], index: NDArray[np.int64], order: int, context_orders: int
) -> list[NDArray[np.float64]]:
    """Compute two autocorrelations of the window, (p + 1,), weighted towards the sound before and after the gaps."""
    first, last = int(index[0]), int(index[-1]) + 1
    inside = np.ones(last - first) if first else _rise(last)  # no sharp edge where there is nothing before the gap
    correlations = []
    for far_before, far_after in ((1.0, FAR_SHARE), (FAR_SHARE, 1.0)):
        before = min(first, round(far_before * context_orders * order))
        after = min(len(window) - last, round(far_after * context_orders * order))
        weight = np.concatenate([_rise(before), inside, _rise(after)[::-1]])
        correlations.append(autocorrelation(window[first - before : last + after] * weight, order))
    return correlations


def _rise(num_samples: int, length: int | None = None) -> NDArray[np.float64]:
    """Return weights that rise from 0 to 1 over some samples, then stay 1 up to the length."""
    weight = np.ones(num_samples if length is None else length)
    weight[:num_samples] = np.sin(np.pi / 2 * (np.arange(num_samples) + 0.5) / max(num_samples, 1)) ** 2
    return weight


def _extrapolate(
    before: NDArray[np.float64], after: NDArray[np.float64], num_lost: int, order: int
) -> NDArray[np.float64]:
    """Predict a long gap forwards and backwards with the same coefficients and cross-fade: (num_lost,)."""
    scale = max(np.abs(before).max(initial=0.0), np.abs(after).max(initial=0.0))
    if scale == 0:
        return np.zeros(num_lost)
    before, after = before / scale, after[::-1] / scale
    order = _within(order, len(before) + len(after))
    correlation = autocorrelation(before, order) + autocorrelation(after, order)
    coefficients = predictor(correlation, noise=EXTRAPOLATION_NOISE)
    forwards = predict(before, coefficients, num_lost)
    backwards = predict(after, coefficients, num_lost)[::-1]
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


def _fade(
    before: NDArray[np.float64], after: NDArray[np.float64], num_lost: int, order: int, sample_rate: int
) -> NDArray[np.float64]:
    """Let sound die away into a gap from either side, with silence between: (num_lost,)."""
    length = min(round(FADE_S * sample_rate), num_lost // 2)
    nothing, faded = np.zeros(0), np.zeros(num_lost)
    weight = _rise(length)
    faded[:length] = _extrapolate(before, nothing, length, order) * weight[::-1]
    faded[num_lost - length :] = _extrapolate(nothing, after, length, order) * weight
    return faded
