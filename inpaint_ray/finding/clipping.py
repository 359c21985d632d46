"""Clipping: levels at which the tops of the waveform are cut off, and the samples that stand there.

The level need not be full scale, may differ by sign, and may change where a file was edited. At a clip level runs of
samples are alike to a step, while sound comes in and goes out too steeply for a rounded peak: it would have gone on. A
square wave jumps into its runs, and a smooth peak bends into them; neither is clipping.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.runs import Event, find_runs
from inpaint_ray.finding.windows import Window, Windows

Signal = NDArray[np.float64]

HOP_S = 5.0  # in each of which the highest level is looked at
MARGIN = 1024  # samples; longer runs are cut at windows
TOLERANCE_STEPS = 1.5
FLOAT_ROUNDING = 1e-6  # of the level
COARSEST_STEP = 1 / 128
LEAST = 1e-2  # level, -40 dB
MIN_CUTS = 3  # runs that sound would have gone beyond, at the same level
MIN_CUT_SHARE = 0.1  # of the runs of two samples and more
STEEPER = 2.0  # than a rounded peak of as many samples: the sound beside a run
SHORT = 0.25  # share of the drop beside a run by which its straight continuation may miss the level


@dataclass(frozen=True)
class _Top:
    """The highest samples of one sign in one channel of a window."""

    channel: int
    sign: int
    level: float
    tolerance: float
    runs: NDArray[np.int64]  # (k, 2): starts and stops in the stream
    num_cuts: int
    num_plateaus: int  # runs of two samples and more


class Clipping:
    """The detector of `clipped` samples; decides at the end, when all of a level's evidence is there."""

    def __init__(self, sample_rate: int) -> None:
        self._windows = Windows(round(HOP_S * sample_rate), MARGIN)
        self._tops: list[_Top] = []

    def look(self, block: NDArray) -> list[Event]:
        """Take the next block, (channels, n); no event is decided yet."""
        for window in self._windows.push(block):
            self._take(window)
        return []

    def finish(self) -> list[Event]:
        """Return the events of all levels that passed the test."""
        for window in self._windows.finish():
            self._take(window)
        events = []
        for top in self._tops:
            alike = [
                other
                for other in self._tops
                if (other.channel, other.sign) == (top.channel, top.sign)
                and abs(other.level - top.level) <= top.tolerance
            ]
            cuts, plateaus = (sum(getattr(each, name) for each in alike) for name in ("num_cuts", "num_plateaus"))
            if cuts < MIN_CUTS or cuts < MIN_CUT_SHARE * plateaus:
                continue
            confidence = 1 - math.exp(-cuts / 2)
            events += [Event(top.channel, start, stop, "clipped", confidence) for start, stop in top.runs.tolist()]
        return events

    def _take(self, window: Window) -> None:
        for channel, samples in enumerate(window.samples):
            sound = np.nan_to_num(samples.astype(np.float64), posinf=0.0, neginf=0.0)
            moves = np.abs(np.diff(sound))
            step = float(moves.min(initial=COARSEST_STEP, where=moves > 0))
            for sign in (1, -1):
                top = _find_top(sign * sound, window, step, channel, sign)
                if top is not None and (top.num_cuts or len(top.runs)):
                    self._tops.append(top)


def _find_top(sound: Signal, window: Window, step: float, channel: int, sign: int) -> _Top | None:
    inside = sound[window.start : window.stop]
    level = float(inside.max(initial=0.0))
    if level < LEAST:
        return None
    tolerance = TOLERANCE_STEPS * step + FLOAT_ROUNDING * level
    starts, stops = find_runs(sound >= level - tolerance)
    decided = (starts >= window.start) & (starts < window.stop) & (starts >= 2) & (stops <= len(sound) - 2)
    starts, stops = starts[decided], stops[decided]
    long = stops - starts >= 2
    first, last, lengths = starts[long], stops[long] - 1, (stops - starts)[long]
    drop_in, drop_out = level - sound[first - 1], level - sound[last + 1]
    slope_in, slope_out = sound[first - 1] - sound[first - 2], sound[last + 1] - sound[last + 2]
    rounded = tolerance * ((lengths + 1) / np.maximum(lengths - 1, 1)) ** 2
    steep = np.minimum(drop_in, drop_out) > STEEPER * rounded
    goes_on = (slope_in >= drop_in * (1 - SHORT)) & (slope_out >= drop_out * (1 - SHORT))
    runs = np.stack([starts, stops], axis=1) + window.first
    return _Top(channel, sign, level, tolerance, runs, int((steep & goes_on).sum()), int(long.sum()))
