"""Held, interpolated and muted samples: short runs that are straighter, or quieter, than any near them.

A player that could not read a sample repeats the last one, draws a line, or mutes. Of 16 bits, such a run has second
differences of next to nothing; music has them too, but seldom many in a row.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.runs import Event, Kind, find_runs
from inpaint_ray.finding.windows import Window, Windows

Signal = NDArray[np.float64]

LONGEST_S = 0.025  # longer ones are sought by `detection`
AROUND_S = 0.05  # of sound on either side that a run is compared with
HOP_S = 1.5
TOLERANCE_STEPS = 1.6  # of second differences, and of the samples of a mute
FLOAT_ROUNDING = 4e-7  # of second differences of floats
COARSEST_STEP = 1 / 128
MIN_EVIDENCE = 25.0  # run length times ln(1 / share of such samples nearby)
MIN_RATIO = 3.0  # of a run's length to the fifth-longest nearby
RANK = 5
MIN_LENGTH = 3
MIN_LEVEL_STEPS = 24.0  # RMS of the sound on both sides
MIN_LEVEL = 1e-3  # -60 dB
LEVEL_S = 0.005
KINK = 6.0  # tolerances of the second differences where a run begins and ends: smooth sound bends into straightness
CURVED = 3.0  # tolerances of the median second difference on both sides


class _Run(NamedTuple):
    start: int
    stop: int
    evidence: float
    ratio: float


class FlatRuns:
    """The detector of `held` (also interpolated) and `muted` samples."""

    def __init__(self, sample_rate: int) -> None:
        self.longest, self.around, self.level = (
            max(round(seconds * sample_rate), 4) for seconds in (LONGEST_S, AROUND_S, LEVEL_S)
        )
        self._windows = Windows(round(HOP_S * sample_rate), self.longest + self.around + 4)

    def look(self, block: NDArray) -> list[Event]:
        """Take the next block, (channels, n); returns the events that it decides."""
        return [event for window in self._windows.push(block) for event in self._decide(window)]

    def finish(self) -> list[Event]:
        """Return the events that the end of the stream decides."""
        return [event for window in self._windows.finish() for event in self._decide(window)]

    def _decide(self, window: Window) -> list[Event]:
        events = []
        for channel, samples in enumerate(window.samples):
            sound = np.nan_to_num(samples.astype(np.float64), posinf=0.0, neginf=0.0)
            for start, stop, kind, confidence in self._find_events(sound):
                if window.start <= start < window.stop:
                    events.append(Event(channel, window.first + start, window.first + stop, kind, confidence))
        return events

    def _find_events(self, sound: Signal) -> list[tuple[int, int, Kind, float]]:
        """Return start, stop, kind and confidence of the events of one channel of a window."""
        if len(sound) < 2 * MIN_LENGTH + 2:
            return []
        moves = np.abs(np.diff(sound))
        step = float(moves.min(initial=COARSEST_STEP, where=moves > 0))
        tolerance = TOLERANCE_STEPS * step + FLOAT_ROUNDING
        flat = np.zeros(len(sound), dtype=bool)
        flat[1:-1] = np.abs(np.diff(sound, 2)) <= tolerance
        found: list[tuple[int, int, Kind, float]] = []
        for run in self._outstanding(np.abs(sound) <= tolerance):
            if self._breaks_off(sound, run.start, run.stop, step):
                found.append((run.start, run.stop, "muted", _confidence(run)))
        for run in self._outstanding(flat):
            start, stop = _extent(sound, run.start, run.stop, step)
            overlaps = any(start < other[1] and other[0] < stop for other in found)
            if not overlaps and self._breaks_off(sound, start, stop, step):
                found.append((start, stop, "held", _confidence(run)))
        return found

    def _outstanding(self, mask: NDArray[np.bool_]) -> list[_Run]:
        """Find runs of a mask that are improbable by its share nearby, and far longer than all but a few others."""
        starts, stops = find_runs(mask)
        lengths = stops - starts
        counts = np.concatenate([[0], np.cumsum(mask)])
        low, high = np.maximum(starts - self.around, 0), np.minimum(stops + self.around, len(mask))
        others = counts[high] - counts[low] - lengths
        evidence = lengths * np.log((high - low - lengths + 2) / (others + 1))
        chosen = (evidence > MIN_EVIDENCE) & (lengths >= MIN_LENGTH) & (lengths <= self.longest)
        runs = []
        for number in np.flatnonzero(chosen):
            first = np.searchsorted(stops, starts[number] - self.around)
            last = np.searchsorted(starts, stops[number] + self.around)
            near = np.sort(np.concatenate([lengths[first:number], lengths[number + 1 : last]]))
            typical = near[-RANK] if len(near) >= RANK else 1
            ratio = lengths[number] / max(int(typical), 1)
            if ratio >= MIN_RATIO:
                runs.append(_Run(int(starts[number]), int(stops[number]), float(evidence[number]), float(ratio)))
        return runs

    def _breaks_off(self, sound: Signal, start: int, stop: int, step: float) -> bool:
        """Return True if sound is loud and curved on both sides of a run, with a kink at both ends."""
        before, after = sound[max(start - self.level, 0) : start], sound[stop : stop + self.level]
        if min(len(before), len(after)) < 4:
            return False
        tolerance = TOLERANCE_STEPS * step + FLOAT_ROUNDING
        curved = min(float(np.median(np.abs(np.diff(side, 2)))) for side in (before, after))
        kinks = [np.abs(np.diff(sound[place - 2 : place + 2], 2)).max() for place in (start, stop)]
        loud = min(before.std(), after.std()) > max(MIN_LEVEL_STEPS * step, MIN_LEVEL)
        return bool(loud and curved > CURVED * tolerance and min(kinks) > KINK * tolerance)


def _extent(sound: Signal, start: int, stop: int, step: float) -> tuple[int, int]:
    """Return start and stop of the lost samples of a flat run; where a value is held, of all its repetitions."""
    run = sound[start:stop]
    if np.ptp(run) > TOLERANCE_STEPS * step / 2:
        return start, stop
    value = run[len(run) // 2]
    while start > 0 and sound[start - 1] == value:
        start -= 1
    while stop < len(sound) and sound[stop] == value:
        stop += 1
    return start + 1, stop  # the first is what is held


def _confidence(run: _Run) -> float:
    """Return the chance that a run is real, by its evidence and its ratio: set by hand, as no false one was found."""
    return 1 / (1 + math.exp(-(0.06 * (run.evidence - MIN_EVIDENCE) + 0.5 * (run.ratio - MIN_RATIO) + 1.0)))
