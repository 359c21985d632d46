"""Matching of a gap with the same music elsewhere in the recording, and the evidence for each match.

From each source a short filter leads to the surroundings of the gap: gain, equalisation and a fraction of a sample of
delay at once. A filter fitted on one side is tried on the other: what it predicts there, it predicts in the gap.

Shapes: c = channels, n = samples, w = samples of a gap and its surroundings, t = taps of all filters together.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve
from scipy.signal import fftconvolve

CONTEXT_S = 0.3  # on either side of a gap
DECAY_S = 0.1  # in which the weight of the surroundings falls to 1 / e
REACH_S = 12 / 44_100  # of a filter, to either side
RIDGE = 1e-3  # share of the source's power
REFINE_STEPS = 1.5  # of the low rate, to either side, in which the best sample is looked for
AT_ONCE = 4096  # samples of the surroundings
SECOND_DB = 0.3  # least gain in trust by a second source

Signal = NDArray[np.float64]


@dataclass(frozen=True)
class Match:
    """The sources matched to a gap, with filters and evidence."""

    shifts: tuple[int, ...]  # from the gap to each source, in samples
    trust_db: float  # SNR on either side by filters from the other one, the lesser


@dataclass(frozen=True)
class _Fit:
    """Sums of least squares over one side of a gap, for each channel."""

    power: Signal  # (c,)
    crossed: Signal  # (c, t)
    gram: Signal  # (c, t, t)

    def taps(self, share: float) -> Signal:
        """Solve for the filters, (c, t), regularised by a share of the source's power."""
        ridge = share * np.trace(self.gram, axis1=1, axis2=2)[:, None, None] / self.gram.shape[1] + 1e-12
        return solve(self.gram + ridge * np.eye(self.gram.shape[1]), self.crossed[..., None], assume_a="pos")[..., 0]

    def snr_db(self, taps: Signal) -> float:
        """Return the SNR of this side as filters predict it."""
        error = self.power - 2 * np.sum(taps * self.crossed, axis=1) + np.einsum("ci,cij,cj->c", taps, self.gram, taps)
        return float(10 * np.log10(max(self.power.sum(), 1e-20) / max(error.sum(), 1e-20)))


class Surroundings:
    """A gap of all channels at once, and the recording around it."""

    def __init__(
        self,
        samples: NDArray,
        lost: NDArray[np.bool_],
        start: int,
        stop: int,
        sample_rate: int,
        *,
        origin: int = 0,
        reach_s: float = REACH_S,
        ridge: float = RIDGE,
    ) -> None:
        self._samples, self._lost, self._origin = samples, lost, origin
        self._start, self._stop = start, stop
        self._fitted: dict[tuple[int, ...], tuple[_Fit, _Fit]] = {}
        self._reach, self._ridge = max(round(reach_s * sample_rate), 1), ridge
        context = round(CONTEXT_S * sample_rate)
        self._first, self._last = max(start - context, 0), min(stop + context, samples.shape[1])
        place = np.arange(self._first, self._last)
        distance = np.maximum(start - place, place - stop + 1)
        known = ~lost[:, self._first : self._last].any(axis=0)
        self._weight = np.where(distance > 0, np.exp(-distance / (DECAY_S * sample_rate)), 0.0) * known
        self._target = np.where(known, samples[:, self._first : self._last].astype(np.float64), 0.0)

    def best(self, shifts: list[int], steps: int) -> Match | None:
        """Find the most trusted source, or two; None where there is none.

        Args:
            shifts: from the gap to each source, to about `steps` samples.
            steps: samples in one of the rate at which they were found.
        """
        if not self._target.any():
            return None
        refined = list(dict.fromkeys(self._refine(shift, round(REFINE_STEPS * steps)) for shift in shifts))
        matches = [Match((shift,), self._trust((shift,))) for shift in refined]
        if not matches:
            return None
        best = max(matches, key=lambda match: match.trust_db)
        pairs = [
            replace(best, shifts=both, trust_db=self._trust(both))
            for both in ((*best.shifts, shift) for shift in refined if shift not in best.shifts)
        ]
        pair = max(pairs, key=lambda match: match.trust_db, default=best)
        return pair if pair.trust_db > best.trust_db + SECOND_DB else best

    def source(self, match: Match, first: int, last: int) -> Signal:
        """Return the filtered sources over a stretch, (c, w), whose samples are counted from `origin`."""
        first, last = first - self._origin, last - self._origin
        taps = self._joined(self._fits(match.shifts)).taps(self._ridge)
        parts = np.split(taps, len(match.shifts), axis=1)
        made = np.zeros((len(self._samples), last - first))
        for shift, filters in zip(match.shifts, parts, strict=True):
            stretch, _ = self._padded(first + shift, last + shift)
            for channel in range(len(made)):
                made[channel] += fftconvolve(stretch[channel], filters[channel], mode="valid")
        return made

    def _refine(self, shift: int, reach: int) -> int:
        """Refine a shift to the sample."""
        weighted = self._target * self._weight
        values, _ = self._cut(self._first + shift - reach, self._last + shift + reach)
        likeness = sum(np.correlate(one, other, mode="valid") for one, other in zip(values, weighted, strict=True))
        return shift + int(np.argmax(likeness)) - reach

    def sides_db(self, shifts: tuple[int, ...]) -> tuple[float, float]:
        """Return the SNR before and after the gap by filters of the other side; minus infinity where silent or lost."""
        before, after = self._fits(shifts)
        if not (before.power.any() and after.power.any()):
            return -np.inf, -np.inf
        return before.snr_db(after.taps(self._ridge)), after.snr_db(before.taps(self._ridge))

    def _trust(self, shifts: tuple[int, ...]) -> float:
        return min(self.sides_db(shifts))

    def _fits(self, shifts: tuple[int, ...]) -> tuple[_Fit, _Fit]:
        """Return the sums before and after the gap, computed once for each shift."""
        if shifts not in self._fitted:
            self._fitted[shifts] = self._fit_sides(shifts)
        return self._fitted[shifts]

    def _fit_sides(self, shifts: tuple[int, ...]) -> tuple[_Fit, _Fit]:
        columns, weight = [], self._weight.copy()
        for shift in shifts:
            stretch, whole = self._padded(self._first + shift, self._last + shift)
            columns.append(np.lib.stride_tricks.sliding_window_view(stretch, 2 * self._reach + 1, axis=1)[..., ::-1])
            weight[~whole] = 0.0
        length = self._last - self._first
        before, after = (0, self._start - self._first), (self._stop - self._first, length)
        return self._sums(columns, weight, *before), self._sums(columns, weight, *after)

    def _sums(self, columns: list[Signal], weight: Signal, start: int, stop: int) -> _Fit:
        """Compute the sums over a part of the surroundings, some samples at a time: all would be a large matrix."""
        num_channels, num_taps = len(self._target), len(columns) * columns[0].shape[2]
        power = np.zeros(num_channels)
        crossed, gram = np.zeros((num_channels, num_taps)), np.zeros((num_channels, num_taps, num_taps))
        for channel in range(num_channels):
            for first in range(start, stop, AT_ONCE):
                part = slice(first, min(first + AT_ONCE, stop))
                matrix = np.concatenate([each[channel, part] for each in columns], axis=1)  # (w, t)
                target = self._target[channel, part] * weight[part]
                power[channel] += target @ self._target[channel, part]
                crossed[channel] += target @ matrix
                gram[channel] += matrix.T @ (matrix * weight[part, None])
        return _Fit(power, crossed, gram)

    @staticmethod
    def _joined(fits: tuple[_Fit, _Fit]) -> _Fit:
        one, other = fits
        return _Fit(one.power + other.power, one.crossed + other.crossed, one.gram + other.gram)

    def _padded(self, first: int, last: int) -> tuple[Signal, NDArray[np.bool_]]:
        """Return a stretch with the filter's reach on either side, and, (w,), where it reaches no lost sample."""
        values, known = self._cut(first - self._reach, last + self._reach)
        count = np.concatenate([[0], np.cumsum(known)])
        width = 2 * self._reach + 1
        return values, count[width:] - count[:-width] == width

    def _cut(self, first: int, last: int) -> tuple[Signal, NDArray[np.bool_]]:
        """Return a stretch, (c, w), zero where lost or outside, and the mask of its known samples, (w,)."""
        inside = slice(max(first, 0), max(min(last, self._samples.shape[1]), 0))
        values = np.zeros((len(self._samples), last - first))
        known = np.zeros(last - first, dtype=bool)
        if inside.start < inside.stop:
            there = slice(inside.start - first, inside.stop - first)
            lost = self._lost[:, inside].any(axis=0)
            values[:, there] = np.where(lost, 0.0, self._samples[:, inside])
            known[there] = ~lost
        return values, known
