"""Lost stretches replaced by what other copies have there, brought to the recording's time, level and timbre.

From each copy a short filter, fitted to the surroundings of a gap, leads to the recording: gain, equalisation and what
is left of a delay at once; fitted on one side it is tried on the other. What it leaves is filled as any gap is, which
joins the edges. Copies that are bit for bit the recording around a gap are taken as they are.

Shapes: c = channels, n = samples, w = samples of a gap and its surroundings.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.runs import Event, Gap, find_runs, join_events, mark_gaps
from inpaint_ray.filling.auto import fill_from_source
from inpaint_ray.filling.expectation import expected_db
from inpaint_ray.filling.matching import Match, Surroundings
from inpaint_ray.merging.copies import Copy, CopyReader, Stretch
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
            if start <= group.start < stop and end - begin <= LONGEST_S * self._rate and end < samples.shape[1]:
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
                return self._offers(window, gaps, first + low, stretch.values, ~stretch.lost, (stretch,), None)
        if not stretches or begin == low or end == high:
            return []
        return self._matched(window, missing, gaps, first + low, stretches, begin - low, end - low)

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

    def _matched(
        self,
        window: NDArray,
        missing: Mask,
        gaps: list[Gap],
        first: int,
        stretches: list[Stretch],
        begin: int,
        end: int,
    ) -> list[Offer]:
        """The offers of the copy, or the two, that are nearest to the surroundings after filtering.

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
        found: list[tuple[Match, Surroundings, float]] = []
        for reach_s, ridge in FILTERS:
            surroundings = Surroundings(whole, lost, begin, end, self._rate, reach_s=reach_s, ridge=ridge)
            match = surroundings.best(list(shifts) if found else straight, 0)
            if match is not None:
                found.append((match, surroundings, reach_s))
            if match is None or match.trust_db >= ENOUGH_DB:
                break
        if not found:
            return []
        match, surroundings, reach_s = max(found, key=lambda each: each[0].trust_db)
        if match.trust_db < LEAST_TRUST_DB:
            return []
        used = tuple(shifts[shift][1] for shift in match.shifts)
        source = surroundings.source(match, 0, apart)
        reach = max(round(reach_s * self._rate), 1)
        unknown = np.logical_or.reduce([stretch.lost for stretch in used])
        known = np.convolve(unknown, np.ones(2 * reach + 1), mode="same") < 0.5
        filled = window.copy()
        unsure = missing | ~known
        for channel in range(len(window)):
            holes = [
                Gap(channel, int(start), int(stop)) for start, stop in zip(*find_runs(unsure[channel]), strict=True)
            ]
            fill_from_source(filled, np.where(known, source, 0.0), 0, holes, self._rate)
        sides = surroundings.sides_db(match.shifts)
        return self._offers(window, gaps, first, filled, known, used, (match, sides))

    def _offers(
        self,
        window: NDArray,
        gaps: list[Gap],
        first: int,
        values: NDArray,
        known: Mask,
        used: tuple[Stretch, ...],
        match: tuple[Match, tuple[float, float]] | None,
    ) -> list[Offer]:
        """Values of the parts of gaps that a copy has, with notes in samples of the recording."""
        before, after = (EXACT_DB, EXACT_DB) if match is None else match[1]
        if match is None:
            values = np.resize(self._rounded(values), window.shape)
        names = list(dict.fromkeys(stretch.copy.name for stretch in used))
        offers = []
        for gap in gaps:
            start, stop = max(gap.start, 0), min(gap.stop, window.shape[1])
            for begin, end in zip(*find_runs(known[start:stop]), strict=True):
                part = slice(start + int(begin), start + int(end))
                seconds = (part.stop - part.start) / self._rate
                expected = EXACT_DB if match is None else expected_db("copy", seconds, 0.0, match[0].trust_db, -np.inf)
                note = Taken(
                    gap.channel,
                    first + part.start,
                    first + part.stop,
                    "copy",
                    expected,
                    copy=" + ".join(names),
                    copy_start_s=float(used[0].track.positions[part.start]) / used[0].copy.sample_rate,
                    before_db=before,
                    after_db=after,
                )
                sure = match is None or (expected >= SURE_DB and seconds >= SURE_S)
                offers.append(Offer(note, values[gap.channel, part], sure))
        return offers
