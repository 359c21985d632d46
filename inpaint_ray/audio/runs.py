"""Runs of lost samples: as masks, and as gaps of channels."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Gap(NamedTuple):
    """A missing stretch of one channel, in samples."""

    channel: int  # from 0
    start: int
    stop: int  # one past the last


def find_runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First sample, and one past the last, of every run of True in (n,): two arrays of (runs,)."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return edges[::2], edges[1::2]


def join_gaps(gaps: list[Gap]) -> list[Gap]:
    """The same lost samples as gaps that do not touch in any channel, by start and channel."""
    joined: list[Gap] = []
    for gap in sorted(gaps):
        if joined and joined[-1].channel == gap.channel and gap.start <= joined[-1].stop:
            joined[-1] = joined[-1]._replace(stop=max(joined[-1].stop, gap.stop))
        else:
            joined.append(gap)
    return sorted(joined, key=lambda gap: (gap.start, gap.channel))


def mark_gaps(gaps: Iterable[Gap], num_channels: int, start: int, stop: int) -> NDArray[np.bool_]:
    """Lost samples from `start` to `stop`: (num_channels, stop - start)."""
    lost = np.zeros((num_channels, stop - start), dtype=bool)
    for gap in gaps:
        lost[gap.channel, max(gap.start - start, 0) : max(gap.stop - start, 0)] = True
    return lost
