"""A copy of a recording, read forwards in step with it, and what it has of a stretch of the recording's time.

Shapes: c = channels of the copy, n = samples of a stretch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.aligning.alignment import Alignment
from inpaint_ray.aligning.sampling import FEW_ZEROS, ZEROS, Blocks, cut, lowering, sample_at
from inpaint_ray.aligning.tracking import Track, track
from inpaint_ray.audio.runs import Event

KEPT_S = 30.0  # behind the latest stretch: the next one may begin a little before it
MARGIN_S = 0.1  # beside a stretch, in which the map may be corrected

Signal = NDArray[np.float64]


@dataclass(frozen=True)
class Copy:
    """Another transfer of a recording."""

    name: str
    blocks: Blocks  # reads it from its beginning
    sample_rate: int  # Hz
    events: Sequence[Event]  # damage of its own, by start
    alignment: Alignment


@dataclass(frozen=True)
class Stretch:
    """A stretch of the recording as a copy has it, on the recording's time."""

    copy: Copy
    values: Signal  # (c, n)
    lost: NDArray[np.bool_]  # (n,) where the copy has nothing, or its own damage
    track: Track


class CopyReader:
    """Reads stretches of a copy, in about the order of time."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self._window = _Window(copy.blocks, round(KEPT_S * copy.sample_rate))
        self._starts = np.array([event.start for event in copy.events], np.int64)
        self._reached = np.maximum.accumulate(np.array([event.stop for event in copy.events], np.int64))

    def read(self, target: Signal, known: NDArray[np.bool_], first: int, sample_rate: int) -> Stretch | None:
        """Find a stretch of the recording in the copy.

        Args:
            target: (n,) the mean of the recording's channels.
            known: (n,) where none of them is lost.
            first: sample of the recording that the stretch begins with.
            sample_rate: of the recording, in Hz.

        Returns:
            The stretch, or None where the copy does not have it.
        """
        found: list[Stretch] = []
        middle = len(target) // 2
        for place_s, speed in self.copy.alignment.places((first + middle) / sample_rate):
            at = (np.arange(len(target)) - middle) / sample_rate
            positions = (place_s + (1 + speed) * at) * self.copy.sample_rate
            stretch = self._at(target, known, positions, sample_rate)
            if stretch is not None:
                found.append(stretch)
        return max(found, key=lambda stretch: stretch.track.likeness, default=None)

    def _at(self, target: Signal, known: NDArray[np.bool_], positions: Signal, sample_rate: int) -> Stretch | None:
        """Find a stretch near the positions where it is expected."""
        margin = round(MARGIN_S * self.copy.sample_rate)
        start, stop = int(positions[0]) - margin, int(positions[-1]) + margin
        sound, there = self._window.read(start, stop)
        lost = ~there | self._mark_lost(start, stop)
        cutoff = lowering(self.copy.sample_rate, sample_rate)
        unsure = _widened(lost, int(np.ceil(ZEROS / cutoff)))
        mono = np.where(lost, 0.0, sound).mean(axis=0, keepdims=True)

        def read_at(at: Signal) -> Signal:
            return np.where(_look_up(unsure, at - start), np.nan, sample_at(mono, at - start, cutoff, FEW_ZEROS)[0])

        same_rate = sample_rate == self.copy.sample_rate
        found = track(target, known, positions, read_at, sample_rate, same_rate=same_rate)
        if found is None:
            return None
        sound = np.where(lost, 0.0, sound)
        if found.whole:
            begin = round(found.positions[0]) - start
            values, missing = cut(sound, begin, begin + len(target)), _look_up(lost, found.positions - start)
        else:
            values = sample_at(sound, found.positions - start, cutoff)
            missing = _look_up(unsure, found.positions - start)
        return Stretch(self.copy, values, missing, found)

    def _mark_lost(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return the mask of samples in which any channel of the copy is damaged: (stop - start,)."""
        lost = np.zeros(stop - start, dtype=bool)
        first = int(np.searchsorted(self._reached, start, side="right"))
        last = int(np.searchsorted(self._starts, stop))
        for event in self.copy.events[first:last]:
            lost[max(event.start - start, 0) : max(event.stop - start, 0)] = True
        return lost


class _Window:
    """A part of a stream that moves forwards; asked for what has passed, it begins anew."""

    def __init__(self, blocks: Blocks, kept: int) -> None:
        self._open, self._kept = blocks, kept
        self._begin()

    def _begin(self) -> None:
        self._blocks = iter(self._open())
        self._held: NDArray = next(self._blocks)
        self._first, self._ended = 0, False

    def read(self, start: int, stop: int) -> tuple[Signal, NDArray[np.bool_]]:
        """Return a stretch, (c, stop - start), zero outside of the stream, and what of it lies inside and is finite."""
        if max(start, 0) < self._first:
            self._begin()
        while not self._ended and self._first + self._held.shape[1] < stop:
            passed = min(max(start - self._kept - self._first, 0), self._held.shape[1])
            block = next(self._blocks, None)
            self._ended = block is None
            parts = [self._held[:, passed:]] + ([] if block is None else [block])
            self._held = np.concatenate(parts, axis=1)
            self._first += passed
        values = cut(self._held, start - self._first, stop - self._first)
        place = np.arange(start, stop)
        there = (place >= 0) & (place < self._first + self._held.shape[1]) & np.isfinite(values).all(axis=0)
        return np.where(np.isfinite(values), values, 0.0), there


def _widened(lost: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return the mask of samples near a lost one."""
    count = np.concatenate([[0], np.cumsum(lost)])
    place = np.arange(len(lost))
    return np.asarray(count[np.minimum(place + reach + 1, len(lost))] > count[np.maximum(place - reach, 0)])


def _look_up(mask: NDArray[np.bool_], positions: Signal) -> NDArray[np.bool_]:
    """Return the mask at positions; True outside."""
    nearest = np.rint(np.nan_to_num(positions, nan=-1.0)).astype(np.int64)
    inside = (nearest >= 0) & (nearest < len(mask))
    return np.where(inside, mask[np.clip(nearest, 0, len(mask) - 1)], True)
