"""Runs of lost samples, as boolean masks and as events of channels."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Kind = Literal["zeros", "stuck", "dither", "not_finite", "held", "muted", "lossy", "click", "clipped", "marked"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Gap(NamedTuple):
    """A missing stretch of one channel, in samples."""

    channel: int  # from 0
    start: int
    stop: int  # one past the last


class Event(NamedTuple):
    """A damaged stretch of one channel, in samples, whose gap is to be filled."""

    channel: int  # from 0
    start: int
    stop: int  # one past the last
    kind: Kind = "marked"
    confidence: float = 1.0  # the chance that it is real, 0 to 1


def find_runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the start and stop (one past the last sample) of every run of True in (n,): two arrays of (runs,)."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return edges[::2], edges[1::2]


def join_events(events: Iterable[Event]) -> list[Event]:
    """Merge events that touch or overlap in a channel; the result is in order of start and channel.

    Events that touch become one, of the kind that most of their samples have, with the greatest confidence.
    """
    joined: list[Event] = []
    lengths: dict[Kind, int] = {}
    for event in sorted(set(events)):
        if joined and joined[-1].channel == event.channel and event.start <= joined[-1].stop:
            last = joined[-1]
            lengths[event.kind] = lengths.get(event.kind, 0) + event.stop - event.start
            kind = max(sorted(lengths), key=lengths.__getitem__)
            stop, confidence = max(last.stop, event.stop), max(last.confidence, event.confidence)
            joined[-1] = Event(last.channel, last.start, stop, kind, confidence)
        else:
            joined.append(event)
            lengths = {event.kind: event.stop - event.start}
    return sorted(joined, key=lambda event: (event.start, event.channel))


def leave_out(events: Iterable[Event], parts: Iterable[Event | Gap]) -> list[Event]:
    """Cut parts out of events: each is left whole, in several events, or not at all."""
    by_channel: dict[int, list[tuple[int, int]]] = {}
    for part in sorted(parts, key=lambda part: part.start):
        by_channel.setdefault(part.channel, []).append((part.start, part.stop))
    left: list[Event] = []
    for event in events:
        start = event.start
        for begin, end in by_channel.get(event.channel, []):
            if end <= start or begin >= event.stop:
                continue
            if begin > start:
                left.append(event._replace(start=start, stop=begin))
            start = end
        if start < event.stop:
            left.append(event._replace(start=start))
    return left


def mark_gaps(gaps: Iterable[Event | Gap], num_channels: int, start: int, stop: int) -> NDArray[np.bool_]:
    """Return the mask of lost samples from `start` to `stop`: (num_channels, stop - start)."""
    lost = np.zeros((num_channels, stop - start), dtype=bool)
    for gap in gaps:
        lost[gap.channel, max(gap.start - start, 0) : max(gap.stop - start, 0)] = True
    return lost
