"""Lost stretches replaced by what other copies have there, brought to the recording's time, level and timbre.

From each copy a short filter, fitted to the surroundings of a gap, leads to the recording: gain, equalisation and what
is left of a delay at once; fitted on one side it is tried on the other. What it leaves is filled as any gap is, which
joins the edges. Copies that are bit for bit the recording around a gap are taken as they are.

Shapes: c = channels, n = samples, w = samples of a gap and its surroundings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.runs import Event, Gap, find_runs, join_events, mark_gaps
from inpaint_ray.filling.auto import fill_from_source
from inpaint_ray.filling.expectation import expected_db
from inpaint_ray.filling.matching import Match, Surroundings
from inpaint_ray.merging.copies import Copy, CopyReader, Stretch
from inpaint_ray.merging.mono import TURNS, add_other_row
from inpaint_ray.merging.offers import Offer, Taken

CONTEXT_S = 0.5  # of sound on either side of a gap that is compared
LONGEST_S = 5.0  # a longer gap is not taken over
APART_S = 0.02  # gaps that are nearer are taken over at once
FILTERS = (  # reach to either side, and share of the copy's power that is added to it: precise, and cautious
    (48 / 44_100, 1e-5),
    (12 / 44_100, 1e-3),
)
MOST_PLACES = 2  # arrangements of a copy's channels: straight and exchanged
ENOUGH_DB = 20.0  # of trust, with which neither a second arrangement nor a cautious filter is tried
EQUAL_S = 0.05  # on either side, in which samples are compared bit for bit
EQUAL = 0.9  # share of them that must be equal
EXACT_DB = 120.0  # expected where a copy is bit for bit the recording
LEAST_TRUST_DB = 0.0
SURE_DB, SURE_S = 12.0, 0.02  # taken without a look at the ordinary fill: so good, in gaps from this length on

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Chosen:
    """Copies from which a window is filled, with the filters that lead from them."""

    match: Match
    surroundings: Surroundings
    reach: int  # of the filters to either side, in samples
    used: tuple[Stretch, ...]


@dataclass(frozen=True)
class Brought:
    """A window filled from copies."""

    values: NDArray[np.float64]  # (c, w)
    known: Mask  # (w,) what the copies have
    used: tuple[Stretch, ...]
    sides_db: tuple[float, float]  # SNR before and after the gap, by what was fitted on the other side
    is_better: bool = False  # than any fill without copies, whatever is expected of that


class Taker:
    """Takes lost stretches of a recording from its copies, in about the order of time."""

    def __init__(self, copies: Sequence[Copy], sample_rate: int, *, step: float | None = None) -> None:
        """Prepare to read copies.

        Args:
            copies: those that are accepted.
            sample_rate: of the recording, in Hz.
            step: of the recording's samples, full scale 1, to which copies are rounded when bits are compared; None
                compares them as they are.
        """
        self._readers = [CopyReader(copy) for copy in copies]
        self._rate, self._step = sample_rate, step

    def offers(self, samples: NDArray, events: Sequence[Event], first: int, start: int, stop: int) -> list[Offer]:
        """Return the offers of copies for the gaps that begin between two samples.

        Args:
            samples: (c, n) float: a stretch of the recording with its surroundings.
            events: that reach into it, in samples of the recording.
            first: sample of the recording that it begins with.
            start: of the part in which gaps are taken over, in samples of the recording.
            stop: one past its last.
        """
        lost = mark_gaps(events, len(samples), first, first + samples.shape[1])
        apart = round(APART_S * self._rate)
        widened = [event._replace(channel=0, stop=event.stop + apart) for event in events if event.kind != "clipped"]
        offers: list[Offer] = []
        for group in join_events(widened):
            begin, end = group.start - first, group.stop - apart - first
            if start <= group.start < stop and end - begin <= LONGEST_S * self._rate and end <= samples.shape[1]:
                inside = [event for event in events if group.start <= event.start < group.stop - apart]
                offers += self._group(samples, lost, inside, first, max(begin, 0), end)
        return offers

    def _group(
        self, samples: NDArray, lost: Mask, events: Sequence[Event], first: int, begin: int, end: int
    ) -> list[Offer]:
        """The offers for the gaps of a group, which lies from `begin` to `end` in the samples."""
        context = round(CONTEXT_S * self._rate)
        low, high = max(begin - context, 0), min(end + context, samples.shape[1])
        window, missing = samples[:, low:high].astype(np.float64), lost[:, low:high]
        known: Mask = ~np.logical_or.reduce(missing, axis=0)
        window = np.where(missing, 0.0, window)
        read = (reader.read(window.mean(axis=0) * known, known, first + low, self._rate) for reader in self._readers)
        stretches = [stretch for stretch in read if stretch is not None]
        gaps = [Gap(event.channel, event.start - first - low, event.stop - first - low) for event in events]
        for stretch in stretches:
            if self._is_equal(window, missing, stretch, begin - low, end - low):
                values = np.resize(self._rounded(stretch.values), window.shape)
                equal = Brought(values, ~stretch.lost, (stretch,), (EXACT_DB, EXACT_DB))
                return self._offers(window, gaps, first + low, equal)
        if not stretches or begin == low or end == high:
            return []
        place = begin - low, end - low
        if len(window) == 2 and all(len(stretch.values) == 1 for stretch in stretches):
            brought = self._bring_mono(window, missing, stretches, *place)
        else:
            brought = self._bring(window, missing, self._choose(window, missing, stretches, *place))
        if brought is None:
            return []
        return self._offers(window, gaps, first + low, brought)

    def _is_equal(self, window: NDArray, missing: Mask, stretch: Stretch, begin: int, end: int) -> bool:
        """Tell if the copy is bit for bit the recording on every side that there is."""
        if not stretch.track.whole or len(stretch.values) != len(window):
            return False
        values = self._rounded(stretch.values)
        reach = round(EQUAL_S * self._rate)
        sides = [slice(max(begin - reach, 0), begin), slice(end, end + reach)]
        shares = []
        for side in sides:
            both = ~missing[:, side] & ~stretch.lost[side]
            if both.any() and values[:, side][both].any():
                shares.append(float(np.mean(values[:, side][both] == window[:, side][both])))
        return bool(shares) and min(shares) >= EQUAL

    def _rounded(self, values: NDArray) -> NDArray:
        return values if self._step is None else np.rint(values / self._step) * self._step

    def _choose(
        self, window: NDArray, missing: Mask, stretches: Sequence[Stretch], begin: int, end: int
    ) -> Chosen | None:
        """Choose the copy, or the two, that are nearest to the surroundings after filtering.

        The copies are put behind the window, as if the same music came again, for `Surroundings` to choose from.
        """
        apart = window.shape[1]  # lost samples in between, so that no filter reaches from one to the next
        parts, losses = [window], [missing]
        owners: list[tuple[int, Stretch]] = []  # the turn of the channels, and the copy
        for stretch in stretches:
            num_channels = len(stretch.values)
            for turn in range(min(num_channels, MOST_PLACES)):
                rows = [(channel + turn) % num_channels for channel in range(len(window))]
                parts += [np.zeros((len(window), apart)), stretch.values[rows]]
                losses += [np.ones((len(window), apart), dtype=bool), np.tile(stretch.lost, (len(window), 1))]
                owners.append((turn, stretch))
        whole, lost = np.concatenate(parts, axis=1), np.concatenate(losses, axis=1)
        shifts = {2 * apart * number: owner for number, owner in enumerate(owners, start=1)}
        straight = [shift for shift, (turn, _) in shifts.items() if not turn]
        found: list[Chosen] = []
        for reach_s, ridge in FILTERS:
            surroundings = Surroundings(whole, lost, begin, end, self._rate, reach_s=reach_s, ridge=ridge)
            match = surroundings.best(list(shifts) if found else straight, 0)
            if match is not None:
                used = tuple(shifts[shift][1] for shift in match.shifts)
                found.append(Chosen(match, surroundings, max(round(reach_s * self._rate), 1), used))
            if match is None or match.trust_db >= ENOUGH_DB:
                break
        best = max(found, key=lambda each: each.match.trust_db, default=None)
        return None if best is None or best.match.trust_db < LEAST_TRUST_DB else best

    def _bring(self, window: NDArray, missing: Mask, chosen: Chosen | None) -> Brought | None:
        """Fill the window from the chosen copies, and what they leave as any gap."""
        if chosen is None:
            return None
        source = chosen.surroundings.source(chosen.match, 0, window.shape[1])
        unknown = np.logical_or.reduce([stretch.lost for stretch in chosen.used])
        known = np.convolve(unknown, np.ones(2 * chosen.reach + 1), mode="same") < 0.5
        filled = window.copy()
        unsure = missing | ~known
        for channel in range(len(window)):
            holes = [
                Gap(channel, int(start), int(stop)) for start, stop in zip(*find_runs(unsure[channel]), strict=True)
            ]
            fill_from_source(filled, np.where(known, source, 0.0), 0, holes, self._rate)
        values = np.where(missing, filled, window)
        return Brought(values, known, chosen.used, chosen.surroundings.sides_db(chosen.match.shifts))

    def _bring_mono(
        self, window: NDArray, missing: Mask, stretches: Sequence[Stretch], begin: int, end: int
    ) -> Brought | None:
        """Fill a window of two channels from mono copies."""
        lost: Mask = np.logical_or.reduce(missing, axis=0, keepdims=True)
        rows = [turn[:1] @ window * ~lost for turn in TURNS]
        tried = [self._choose(row, lost, stretches, begin, end) for row in rows]
        trusts = [-np.inf if each is None else each.match.trust_db for each in tried]
        best = int(np.argmax(trusts))
        brought = self._bring(rows[best], lost, tried[best])
        if brought is None:
            return None
        values, sides_db = add_other_row(
            window, missing, TURNS[best], brought.values[0], brought.sides_db, begin, end, self._rate
        )
        is_better = min(brought.sides_db) >= SURE_DB  # of two rows that a fill would guess it guesses one
        return replace(brought, values=values, sides_db=sides_db, is_better=is_better)

    def _offers(self, window: NDArray, gaps: list[Gap], first: int, brought: Brought) -> list[Offer]:
        """Values of the parts of gaps that copies have, with notes in samples of the recording."""
        before, after = brought.sides_db
        trust = min(brought.sides_db)
        names = list(dict.fromkeys(stretch.copy.name for stretch in brought.used))
        best = brought.used[0]
        offers = []
        for gap in gaps:
            start, stop = max(gap.start, 0), min(gap.stop, window.shape[1])
            for begin, end in zip(*find_runs(brought.known[start:stop]), strict=True):
                part = slice(start + int(begin), start + int(end))
                seconds = (part.stop - part.start) / self._rate
                equal = trust >= EXACT_DB
                expected = EXACT_DB if equal else expected_db("copy", seconds, 0.0, trust, -np.inf)
                note = Taken(
                    gap.channel,
                    first + part.start,
                    first + part.stop,
                    "copy",
                    expected,
                    copy=" + ".join(names),
                    copy_start_s=float(best.track.positions[part.start]) / best.copy.sample_rate,
                    before_db=before,
                    after_db=after,
                )
                sure = equal or (seconds >= SURE_S and (brought.is_better or expected >= SURE_DB))
                offers.append(Offer(note, brought.values[gap.channel, part], sure))
        return offers
