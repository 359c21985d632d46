"""Confidence intervals over tracks, and paired comparisons of methods.

The patches of one track are alike, so a track counts as one observation, whatever the number of its patches.

Shapes: N = tracks, K = quantities.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.stats
from numpy.typing import NDArray

CONFIDENCE = 0.95
FEWEST_TRACKS = 6  # fewer get no interval, and no paired test: see `mean_intervals`

Answer = Literal["yes", "NO", "not sure"]
VERBS: dict[Answer, str] = {"yes": "beats", "NO": "does NOT beat", "not sure": "may or may not beat"}


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval; without one (NaN) where there are too few tracks, or a method failed."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        if not np.isfinite(self.mean):
            return "-"
        return f"{self.mean:.2f}" if np.isnan(self.low) else f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Comparison:
    """A paired comparison of two methods on the same tracks."""

    method: str
    other: str
    difference: Interval
    p_value: float  # of Wilcoxon's signed ranks over tracks, two-sided; NaN where there are too few

    @property
    def answer(self) -> Answer:
        """Return the verdict: sure only where the whole interval lies on one side of zero.

        A method that failed, whose difference is minus infinity, beats none.
        """
        if self.difference.low > 0:
            return "yes"
        if self.difference.high < 0 or self.difference.mean == -np.inf:
            return "NO"
        return "not sure"

    @property
    def verb(self) -> str:
        """Return the verb between the names of the two: "A does NOT beat B"."""
        return VERBS[self.answer]


def mean_intervals(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> list[Interval]:
    """Compute means over all patches, with 95 % intervals that regard tracks as the observations.

    The standard error of this ratio of two sums is the delete-one jackknife's over tracks (Efron and Tibshirani, 1993,
    chapter 11), and the interval Student's t with N - 1 degrees of freedom. Where all tracks have as many patches, this
    is the textbook's interval of a mean. Coverage, in % of 20,000 draws, for as many patches in each track and for
    1 to 10 at random (`python -m benchmarks.coverage`):

        tracks               3           6          12          40
        normal         94.9  93.2  94.9  93.4  95.1  93.9  95.0  94.6
        uniform        92.4  91.0  94.0  92.0  94.6  93.1  95.2  94.6
        lognormal 0.5  92.1  90.7  91.4  90.1  92.4  91.4  93.8  92.9
        lognormal 1    84.2  82.5  82.1  80.7  85.0  83.3  89.1  87.7

    With fewer than 6 tracks there is none: Wilcoxon's signed ranks could not reach p < 0.05 with them either.

    Args:
        sums: (N, K) of each quantity over the patches of each track.
        counts: (N,) patches of each track.
    """
    keep = counts > 0
    sums, counts = sums[keep], counts[keep]
    num_tracks, total = len(counts), counts.sum()
    if not num_tracks:
        return [Interval(np.nan, np.nan, np.nan)] * sums.shape[1]
    means = sums.sum(axis=0) / total
    margins = np.full_like(means, np.nan)
    finite = np.isfinite(means)
    if num_tracks >= FEWEST_TRACKS:
        without = (sums[:, finite] - means[finite] * counts[:, None]) / (total - counts)[:, None]  # shifts of the mean
        errors = np.sqrt((num_tracks - 1) / num_tracks * (without**2).sum(axis=0))
        margins[finite] = scipy.stats.t.ppf((1 + CONFIDENCE) / 2, num_tracks - 1) * errors
    return [Interval(*map(float, values)) for values in zip(means, means - margins, means + margins, strict=True)]


def compare(
    method: str, other: str, sums: NDArray[np.float64], other_sums: NDArray[np.float64], counts: NDArray[np.float64]
) -> Comparison:
    """Compare two methods in pairs, track by track.

    Args:
        method: the one that is hoped to be better.
        other: the one that it is compared with.
        sums: (N,) of the method's scores over the patches of each track, the higher the better; minus infinity where
            it failed, and then it is worse than the other, even if that failed too.
        other_sums: (N,) of the other's.
        counts: (N,) patches of each track.
    """
    differences = np.full_like(sums, -np.inf)
    np.subtract(sums, other_sums, out=differences, where=sums != -np.inf)
    interval = mean_intervals(differences[:, None], counts)[0]
    keep = counts > 0
    means = differences[keep] / counts[keep]
    if len(means) < FEWEST_TRACKS or not np.isfinite(interval.mean):
        p_value = float("nan")
    elif not means.any():
        p_value = 1.0  # the same on every track
    else:
        p_value = float(scipy.stats.wilcoxon(means).pvalue)
    return Comparison(method, other, interval, p_value)
