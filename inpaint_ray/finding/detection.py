"""The detector of dropouts: stretches inside sound in which it stands still, and that begin and end abruptly.

Sound stands still where samples are zero, within the noise of dither, or repeat one value. A run of such samples, if
it is long enough, is judged by both of its edges: sound must break off there. Files are searched in blocks; the result
does not depend on where these are cut.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.runs import Event, Kind, find_runs, join_events

MIN_GAP_S = 0.001
MARGIN_S = 0.05  # of sound on either side of a run, by which it is judged
LOCAL_S = 0.02  # of sound next to a run, with whose level an edge is compared
EDGE_S = 0.001  # the edge: the nearest millisecond of sound
FADING_S = 0.005  # within which sound may die away into a gap
MIN_EDGE = 1e-4  # -80 dB: quieter edges may be the end of a fade
MIN_EDGE_SHARE = 0.2  # of the local level; a natural decay ends far below
MIN_FADING = 1e-2  # -40 dB: nothing that decays by itself is so loud 5 ms before it is silent
MIN_MOVE = 1e-3  # from peak to peak in 5 ms: sound that sticks at a value has moved before
STUCK_RATIO = 4  # a value that sticks does so for longer than any near it: pulse waves and clipping repeat themselves
EDGE_RATIO = 8  # of an edge to the noise of dither
EDGE_STEPS = 24  # of an edge to the steps that sound moves in: what is quieter is silent by rounding now and then
COARSEST_STEP = 1 / 128  # of 8 bits
NOISE_RATIO = 32  # of the sound on either side to the noise of dither: quiet music is small by chance now and then
STEADY = 8  # samples of one value near the end of a run: it holds no noise
TRIM = 4  # samples at either end of a run that are sound, and small by chance
MOST_GAPS = 1_000_000  # of a recording
CONFIDENCE = 0.99  # of an event; samples that are not finite are surely lost: benchmarks.detection has false alarms


def find_gaps(
    blocks: Iterable[NDArray], sample_rate: int, *, min_gap_s: float | None = MIN_GAP_S, floor: float = 0.0
) -> list[Event]:
    """Find missing audio: samples that are not finite, and stretches that stand still inside sound.

    Such a stretch is a gap when it is long enough, does not touch the start or end of the file, and sound breaks off
    on both sides: the peak of the nearest millisecond is above -80 dB of full scale, 18 dB above the floor, and above
    a fifth of the RMS level of 20 ms; or that of the nearest 5 ms is above -40 dB and half the level. What dies away
    into a gap is not of it: sound is small where it crosses zero, too. Where a stretch holds noise within the floor,
    sound must be 30 dB above that and break off at once. A value other than zero must stick four times as long as any
    other in 50 ms around it. Each channel is judged by itself. Fades, true pauses, and silence at either end are no
    gaps; neither is a dropout next to one.

    Args:
        blocks: consecutive (channels, n) float blocks, full scale 1; may be of any length.
        sample_rate: Hz.
        min_gap_s: the shortest gap, in seconds; None looks for samples that are not finite, and nothing else.
        floor: amplitude up to which noise counts as silence.

    Returns:
        The gaps by start and channel; those of one channel do not touch.

    Raises:
        ValueError: there are more than a million.
    """
    detector, found = Standstills(sample_rate, min_gap_s=min_gap_s, floor=floor), list[Event]()
    for block in blocks:
        found += detector.look(block)
        if len(found) > MOST_GAPS:
            raise ValueError(f"more than {MOST_GAPS:,} gaps: this is noise, or no recording")
    return join_events([*found, *detector.finish()])


class Standstills:
    """The detector of zeros, stuck values, dither and samples that are not finite, which share one scan."""

    def __init__(self, sample_rate: int, *, min_gap_s: float | None = MIN_GAP_S, floor: float = 0.0) -> None:
        self._make = lambda: _Channel(sample_rate, min_gap_s, floor)
        self._channels: list[_Channel] = []

    def look(self, block: NDArray) -> list[Event]:
        """Take the next block, (channels, n); returns the events that it decides."""
        self._channels = self._channels or [self._make() for _ in block]
        pairs = enumerate(zip(self._channels, block, strict=True))
        return [Event(number, *run, CONFIDENCE) for number, (each, samples) in pairs for run in each.look(samples)]

    def finish(self) -> list[Event]:
        """Return the events that the end of the stream decides."""
        pairs = enumerate(self._channels)
        return [Event(number, *run, CONFIDENCE) for number, each in pairs for run in each.look(np.zeros(0), last=True)]


@dataclass(frozen=True)
class _Edge:
    """The edge of a run, judged by the sound next to it: its beginning or, of sound reversed, its end."""

    trimmed: int  # samples of the run that are sound, beyond which the gap begins
    breaks_off: bool  # the sound does, and does not fade
    kind: Kind = "zeros"
    longest_nearby: int = 0  # run of one value in the sound next to a stuck value, in samples


class _Channel:
    """The detection in one channel, block by block, with its state between blocks."""

    def __init__(self, sample_rate: int, min_gap_s: float | None, floor: float) -> None:
        # Lengths are in samples.
        self.shortest = None if min_gap_s is None else max(round(min_gap_s * sample_rate), 2)
        self.margin, self.local, self.edge, self.fading = (
            max(round(seconds * sample_rate), 2) for seconds in (MARGIN_S, LOCAL_S, EDGE_S, FADING_S)
        )
        self.floor = floor
        self.kept = np.zeros(0)  # the last samples of the stream so far
        self.first = 0  # sample of the stream that they begin with
        self.open_run: tuple[int, _Edge] | None = None  # start and left edge of a long run that `kept` begins within

    def look(self, samples: NDArray, *, last: bool = False) -> list[tuple[int, int, Kind]]:
        """Take the next block, (n,); returns starts, stops and kinds of the gaps that it decides."""
        end = self.first + len(self.kept)
        found: list[tuple[int, int, Kind]] = []
        finite = np.isfinite(samples)
        if not finite.all():
            starts, stops = find_runs(~finite)
            runs_lost = zip((starts + end).tolist(), (stops + end).tolist(), strict=True)
            found = [(start, stop, "not_finite") for start, stop in runs_lost]
            samples = np.where(finite, samples, 0.0)
        if self.shortest is None:
            self.first += len(samples)
            return found
        sound = np.concatenate([self.kept.astype(samples.dtype), samples])
        runs = self._still_runs(sound, self.shortest)
        undecided = next((run for run in runs if not last and run[1] + self.margin > len(sound)), None)
        for start, stop in runs if undecided is None else runs[: runs.index(undecided)]:
            gap = self._judge_run(sound, start, stop, self.shortest)
            if gap is not None:
                found.append(gap)
        self._keep(sound, undecided)
        return found

    def _still_runs(self, sound: NDArray, shortest: int) -> list[tuple[int, int]]:
        """Return starts and stops of the runs that are long enough, and of the one at the end of the samples."""
        quiet = np.abs(sound) <= self.floor
        still = quiet.copy()
        still[1:] |= sound[1:] == sound[:-1]
        starts, stops = find_runs(still)
        starts = starts - (~quiet[starts] & (starts > 0)) if len(starts) else starts  # the first of its repetitions
        chosen = (stops - starts >= shortest) | (stops == len(sound))  # the last one may go on
        if self.first and self.open_run is None:
            chosen &= starts > 0  # where the kept samples begin within a run, it was decided before
        return list(zip(starts[chosen].tolist(), stops[chosen].tolist(), strict=True))

    def _judge_run(self, sound: NDArray, start: int, stop: int, shortest: int) -> tuple[int, int, Kind] | None:
        """Return the gap that a run is, or None."""
        opened = self.open_run if start == 0 else None
        begin, left = opened or (self.first + start, self._judge_edge(sound[:start], sound[start:stop]))
        right = self._judge_edge(sound[stop:][::-1], sound[start:stop][::-1])
        length = self.first + stop - begin
        if length < shortest:
            return None
        stands_out = STUCK_RATIO * max(left.longest_nearby, right.longest_nearby) <= length
        is_gap = left.breaks_off and right.breaks_off and stands_out
        return (begin + left.trimmed, self.first + stop - right.trimmed, left.kind) if is_gap else None

    def _judge_edge(self, before: NDArray, run: NDArray) -> _Edge:
        """Judge the beginning of a run, (n,), by the sound before it; the end, where both are given reversed."""
        before = before[-self.margin :].astype(np.float64)
        if len(before) == 0:
            return _Edge(trimmed=0, breaks_off=False)
        run = run[: self.edge + STEADY]
        starts, stops = find_runs(np.diff(run) == 0)
        steady = starts[stops - starts >= min(STEADY, len(run)) - 1]
        noisy = len(steady) == 0
        trimmed = int(steady[0]) if not noisy and steady[0] < TRIM else 0
        if abs(run[trimmed]) > self.floor:
            return self._judge_stuck_edge(before) if np.ptp(run) == 0 else _Edge(trimmed=0, breaks_off=False)
        magnitudes, step = np.abs(before), _step(before)
        local = magnitudes[-self.local :]
        level = _rms(local[local > self.floor])
        loud = max(EDGE_RATIO * self.floor, EDGE_STEPS * step)
        if magnitudes[-self.edge :].max() > max(MIN_EDGE, loud, MIN_EDGE_SHARE * level):
            return _Edge(
                trimmed, breaks_off=not noisy or level > NOISE_RATIO * self.floor, kind="dither" if noisy else "zeros"
            )
        # The last millisecond is too quiet, but sound may have died away within the last five.
        around, near = _rms(magnitudes[: -self.fading]), magnitudes[-self.fading :]
        return _Edge(trimmed, breaks_off=not noisy and near.max() > max(MIN_FADING, loud, 0.5 * around))

    def _judge_stuck_edge(self, before: NDArray[np.float64]) -> _Edge:
        """Judge the beginning of a stuck value: sound must move before it."""
        starts, stops = find_runs(before[1:] == before[:-1])
        longest = int((stops - starts).max(initial=0)) + 1
        moves = np.ptp(before[-self.fading :]) > max(MIN_MOVE, 8 * self.floor, EDGE_STEPS * _step(before))
        return _Edge(trimmed=0, breaks_off=bool(moves), kind="stuck", longest_nearby=longest)

    def _keep(self, sound: NDArray, undecided: tuple[int, int] | None) -> None:
        """Keep the samples that later decisions need; of a long undecided run, its left edge and its end."""
        keep_from, opened = len(sound) - self.margin, None
        if undecided is not None:
            start, stop = undecided
            if start == 0 and self.open_run is not None:
                opened = self.open_run
            elif stop - start > 4 * self.margin:
                opened = (self.first + start, self._judge_edge(sound[:start], sound[start:stop]))
            keep_from = keep_from - self.edge - STEADY if opened else min(keep_from, start - self.margin)
        keep_from = max(keep_from, 0)
        self.kept, self.first, self.open_run = sound[keep_from:].copy(), self.first + keep_from, opened


def _rms(samples: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


def _step(samples: NDArray[np.float64]) -> float:
    """Return the smallest change between samples: the step to which sound was rounded, whatever the file could hold.

    At most a step of 8 bits: the waves of chip music move in larger ones.
    """
    changes = np.abs(np.diff(samples))
    return float(changes.min(initial=COARSEST_STEP, where=changes > 0))
