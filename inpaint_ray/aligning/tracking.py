"""The map of time around a gap, to hundredths of a sample: delays of short windows, joined by a smoothing spline.

Shapes: n = samples of the stretch, k = windows, w = samples of one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.interpolate import make_smoothing_spline
from scipy.stats import theilslopes

Signal = NDArray[np.float64]
Curve = Callable[[Signal], Signal]
ReadAt = Callable[[Signal], Signal]  # positions in the copy, (n,) in its samples -> its sound there, (n,)


@dataclass(frozen=True)
class Stage:
    """One pass: windows and the delays that are looked for in them."""

    window_s: float
    reach_s: float
    hop_s: float
    smoothness: tuple[float, ...]  # of the curves that may go through the delays, most first; see `_smooth`


STAGES = (
    Stage(0.32, 0.012, 0.04, (np.inf,)),
    Stage(0.16, 0.003, 0.02, (np.inf, 1.0, 1e-2, 1e-4)),
    Stage(0.08, 0.0006, 0.01, (np.inf, 1.0, 1e-2, 1e-4, 1e-5, 1e-6)),
)
NO_WORSE, NEAR = 1.2, 0.01  # the median residual of a smoother curve: times that of the least smooth, and samples
ROUNDS = 4  # of weighing outliers down
LEAST_LIKENESS = 0.3
LEAST_KNOWN = 0.6  # share of a window
OUTLIER, LEAST = 3.0, 0.05  # times the median residual, and samples: deviations from there on count less and less
FEWEST = 8  # delays for more than a constant
WHITENING = 0.6  # 0: plain correlation; 1: phases alone
LOWEST_HZ, HIGHEST_HZ = 60.0, 8_000.0
WHOLE, STILL = 0.08, 0.12  # samples: so near to a whole delay, and so steady, a copy is not resampled


@dataclass(frozen=True)
class Track:
    """The places of the samples of a stretch in a copy."""

    positions: Signal  # (n,) in samples of the copy
    likeness: float  # median normalised correlation of the windows, 0 to 1
    whole: bool  # the positions are whole numbers, one after the other: nothing is resampled


def track(
    target: Signal, known: NDArray[np.bool_], positions: Signal, read_at: ReadAt, sample_rate: int, *, same_rate: bool
) -> Track | None:
    """Refine the map of time of a stretch.

    Args:
        target: (n,) the recording.
        known: (n,) where it is not lost.
        positions: (n,) in the copy, to about 12 ms.
        read_at: gives the copy at positions; not a number where it is lost.
        sample_rate: of the recording, in Hz.
        same_rate: whether the copy has the same, so that it may be a digital one.

    Returns:
        The map, or None where the copy does not resemble the recording.
    """
    likeness = 0.0
    times = np.arange(len(target)) / sample_rate
    for stage in STAGES:
        other = read_at(positions)
        both = known & np.isfinite(other)
        delays = _delays(np.where(both, target, 0.0), np.where(both, other, 0.0), both, sample_rate, stage)
        if delays is None:
            return None
        middle_s, delay_s, likenesses = delays
        likeness = float(np.median(likenesses))
        curve = _smooth(middle_s, delay_s * sample_rate, likenesses**2, stage.smoothness)
        positions = np.interp(times + curve(times) / sample_rate, times, positions, left=np.nan, right=np.nan)
        positions = _extended(positions)
    offset = positions - np.arange(len(positions))
    early, middle, late = np.quantile(offset, (0.2, 0.5, 0.8))  # the ends of a stretch may be uncertain
    whole = same_rate and late - early < STILL and abs(middle - np.rint(middle)) < WHOLE
    if whole:
        positions = np.arange(len(positions)) + np.rint(middle)
    return Track(positions, likeness, bool(whole))


def _delays(
    target: Signal, other: Signal, both: NDArray[np.bool_], sample_rate: int, stage: Stage
) -> tuple[Signal, Signal, Signal] | None:
    """Middle, delay (both in seconds) and likeness of windows that are known and alike, (k,) each."""
    width, hop = round(stage.window_s * sample_rate), max(round(stage.hop_s * sample_rate), 1)
    reach = max(round(stage.reach_s * sample_rate), 2)
    if len(target) < width:
        return None
    count = np.concatenate([[0], np.cumsum(both)])
    firsts = np.arange(0, len(target) - width + 1, hop)
    firsts = firsts[count[firsts + width] - count[firsts] >= LEAST_KNOWN * width]
    if not len(firsts):
        return None
    inside = firsts[:, None] + np.arange(width)
    window = np.hanning(width)
    mine, theirs = target[inside] * window, other[inside] * window  # (k, w)
    size = scipy.fft.next_fast_len(width + reach, real=True)
    own, others = scipy.fft.rfft(mine, size, axis=1), scipy.fft.rfft(theirs, size, axis=1)
    frequency = scipy.fft.rfftfreq(size, 1 / sample_rate)
    inside_band = (frequency >= LOWEST_HZ) & (frequency <= HIGHEST_HZ)
    cross = own.conj() * others * inside_band
    magnitude = np.abs(own) * np.abs(others) + 1e-20
    crossed = scipy.fft.irfft(cross / magnitude**WHITENING, size, axis=1)
    near = np.concatenate([crossed[:, -reach:], crossed[:, : reach + 1]], axis=1)
    sign = np.sign(near[np.arange(len(near)), np.argmax(np.abs(near), axis=1)])[:, None]
    polarity = np.sign(np.sum(sign)) or 1.0
    near = near * polarity
    best = np.argmax(near[:, 1:-1], axis=1) + 1
    row = np.arange(len(near))
    before, top, after = near[row, best - 1], near[row, best], near[row, best + 1]
    bend = before - 2 * top + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1.0), 0.0)
    plain = scipy.fft.irfft(cross, size, axis=1)
    plain = np.concatenate([plain[:, -reach:], plain[:, : reach + 1]], axis=1)[row, best] * polarity
    likeness = plain / np.sqrt(_power(own, inside_band, size) * _power(others, inside_band, size) + 1e-20)
    middle = np.sum(both[inside] * window**2 * inside, axis=1) / np.sum(both[inside] * window**2, axis=1)
    good = (likeness >= LEAST_LIKENESS) & (best > 1) & (best < near.shape[1] - 2)
    if not good.any():
        return None
    delay = (best + np.clip(shift, -1, 1) - reach) / sample_rate
    middle, number = np.unique(middle[good] / sample_rate, return_index=True)
    return middle, delay[good][number], likeness[good][number]


def _power(spectra: NDArray[np.complex128], inside_band: NDArray[np.bool_], size: int) -> Signal:
    """The power of windows within the band, (k,): bass below it must not hide that they are alike."""
    return np.asarray(2 / size * np.sum(np.abs(spectra) ** 2 * inside_band, axis=1))


def _smooth(times: Signal, values: Signal, weights: Signal, smoothness: tuple[float, ...]) -> Curve:
    """A curve through delays, (k,) in samples: the smoothest that is as near to most of them as need be.

    Smoothness is the penalty of a spline on its bends; infinite for a line. Outliers are weighed down (Cauchy).
    """
    if len(times) < FEWEST:
        middle = float(np.median(values))
        return lambda at: np.full_like(at, middle)
    curves = [_robust(times, values, weights, each) for each in smoothness]
    errors = [float(np.median(np.abs(curve(times) - values))) for curve in curves]
    least = min(errors)
    chosen = next(curve for curve, error in zip(curves, errors, strict=True) if error <= NO_WORSE * least + NEAR)
    first, last = times[0], times[-1]
    return lambda at: chosen(np.clip(at, first, last))


def _robust(times: Signal, values: Signal, weights: Signal, smoothness: float) -> Curve:
    slope, start, *_ = theilslopes(values, times)

    def line(at: Signal) -> Signal:
        return np.asarray(start + slope * at)

    curve: Curve = line
    for _ in range(ROUNDS):
        residual = np.abs(curve(times) - values)
        scale = OUTLIER * float(np.median(residual)) + LEAST
        trusted = weights / (1 + (residual / scale) ** 2)
        if np.isinf(smoothness):
            curve = np.polynomial.Polynomial.fit(times, values, 1, w=np.sqrt(trusted))
        else:
            curve = make_smoothing_spline(times, values, trusted, lam=smoothness)
    return curve


def _extended(positions: Signal) -> Signal:
    """Positions with their unknown ends continued at the speed beside them."""
    known = np.flatnonzero(np.isfinite(positions))
    if not len(known):
        return positions
    first, last = int(known[0]), int(known[-1])
    span = min(max((last - first) // 4, 1), last - first) or 1
    slope = (positions[first + span] - positions[first]) / span
    positions[:first] = positions[first] - slope * np.arange(first, 0, -1)
    slope = (positions[last] - positions[last - span]) / span
    positions[last + 1 :] = positions[last] + slope * np.arange(1, len(positions) - last)
    return positions
