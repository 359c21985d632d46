"""How sure a mean is: bootstrap intervals over tracks, and paired comparisons of methods.

Tracks are resampled whole, because the patches of one track are alike (Efron and Tibshirani, 1993). Only the raw
output of numpy's Philox generator is used, whose stream numpy guarantees.

Shapes: N = tracks, R = resamples, K = quantities.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray

NUM_RESAMPLES = 1000
CONFIDENCE = 0.95
RESAMPLES_AT_ONCE = 50  # memory is this many times the tracks, however many resamples
FEWEST_TRACKS = 3  # fewer give no interval that is worth its name


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval; without one (NaN) where there are too few tracks."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f}" if np.isnan(self.low) else f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Comparison:
    """How much better one method is than another on the same tracks."""

    method: str
    other: str
    difference: Interval
    p_value: float  # of Wilcoxon's signed ranks over tracks, two-sided; NaN where there are too few

    @property
    def is_better(self) -> bool:
        """The whole interval is above zero."""
        return self.difference.low > 0


def mean_intervals(sums: NDArray[np.float64], counts: NDArray[np.float64], *, seed: int = 0) -> list[Interval]:
    """Means over all patches, with intervals by resampling tracks.

    Args:
        sums: (N, K) of each quantity over the patches of each track.
        counts: (N,) patches of each track.
        seed: of the resampling.
    """
    keep = counts > 0
    sums, counts = sums[keep], counts[keep]
    if not len(counts):
        return [Interval(float("nan"), float("nan"), float("nan"))] * sums.shape[1]
    means = sums.sum(axis=0) / counts.sum()
    if len(counts) < FEWEST_TRACKS:
        return [Interval(float(mean), float("nan"), float("nan")) for mean in means]
    resampled = np.concatenate(
        [(weights @ sums) / (weights @ counts)[:, None] for weights in _draw_weights(len(counts), seed)]
    )
    tail = (1 - CONFIDENCE) / 2
    lows, highs = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return [Interval(*map(float, values)) for values in zip(means, lows, highs, strict=True)]


def compare(
    method: str, other: str, differences: NDArray[np.float64], counts: NDArray[np.float64], *, seed: int = 0
) -> Comparison:
    """A paired comparison.

    Args:
        method: the one that is hoped to be better.
        other: the one that it is compared with.
        differences: (N,) of the sums over the patches of each track.
        counts: (N,) patches of each track.
        seed: of the resampling.
    """
    interval = mean_intervals(differences[:, None], counts, seed=seed)[0]
    keep = counts > 0
    means = differences[keep] / counts[keep]
    if len(means) < FEWEST_TRACKS:
        p_value = float("nan")
    elif not means.any():
        p_value = 1.0  # the same on every track
    else:
        p_value = float(scipy.stats.wilcoxon(means).pvalue)
    return Comparison(method, other, interval, p_value)


def _draw_weights(num_tracks: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each track is drawn in each resample, a part of (R, N) at a time."""
    generator = np.random.Philox(np.random.SeedSequence([seed, num_tracks]))
    for first in range(0, NUM_RESAMPLES, RESAMPLES_AT_ONCE):
        rows = min(RESAMPLES_AT_ONCE, NUM_RESAMPLES - first)
        drawn = (generator.random_raw(rows * num_tracks) % np.uint64(num_tracks)).astype(np.int64)
        places = drawn.reshape(rows, num_tracks) + num_tracks * np.arange(rows)[:, None]
        yield np.bincount(places.ravel(), minlength=rows * num_tracks).reshape(rows, num_tracks).astype(np.float64)
