"""Steps of `auto` after autoregressive fills: retrieval of the same music elsewhere, then addition of lacking energy.

Shapes: c = channels, n = samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.runs import Event, Gap, join_events
from inpaint_ray.filling.autoregressive import fill_gaps
from inpaint_ray.filling.choice import MOST_KNOWN_DB, SHORTEST_RETRIEVAL_S, row_of
from inpaint_ray.filling.expectation import expected_db, level_db, power_around, pseudo_db
from inpaint_ray.filling.matching import Match, Surroundings
from inpaint_ray.filling.methods import ForLongGaps, RestoreMagnitudes
from inpaint_ray.filling.mixture import mix_bands
from inpaint_ray.filling.retrieval import Index, find_places, make_index

SEARCH_S = 300.0  # of the recording on either side of a gap, at the most
LEFT_CONTEXT_S = 0.37  # on either side of what a source leaves to fill: what autoregression looks at


@dataclass(frozen=True)
class Sources:
    """A stretch of a recording that is searched for music like that around gaps."""

    samples: NDArray  # (c, n); what stands in lost samples is not looked at
    lost: NDArray[np.bool_]  # (c, n)
    offset: int = 0  # in it, of the first sample that is filled


@dataclass(frozen=True)
class Known:
    """Evidence of the quality of a gap's fill."""

    method: str
    level_db: float | None = None  # SNR that the power of the autoregressive fill suggests, before others lent it some
    trust_db: float = -np.inf  # of the match, where one was looked for
    pseudo_db: float = -np.inf  # SNR of autoregressive fills beside it, where they were made

    def measured(self, filled: NDArray, gap: Gap, sample_rate: int) -> "Known":
        """Return the evidence with the fill's level, measured now unless it was before."""
        if self.level_db is not None:
            return self
        return replace(self, level_db=_level(filled, gap, sample_rate)[0])

    def expected_snr_db(self, seconds: float) -> float:
        """Estimate the SNR of the fill of a gap from its length in seconds."""
        assert self.level_db is not None
        return expected_db(self.method, seconds, self.level_db, self.trust_db, self.pseudo_db)


def retrieve(
    filled: NDArray,
    lost: NDArray[np.bool_],
    gaps: list[Gap],
    sample_rate: int,
    sources: Sources,
) -> dict[Gap, Known]:
    """Fill gaps again, in place, from the same music elsewhere, where the match is trusted.

    Args:
        filled: (c, n), autoregressively.
        lost: (c, n).
        gaps: that may be filled again.
        sample_rate: Hz.
        sources: the recording, or the stretch of it that is at hand.

    Returns:
        What is known of every gap for which sources were looked for.
    """
    spans = [(start, stop) for start, stop in _joined(gaps) if stop - start > SHORTEST_RETRIEVAL_S * sample_rate]
    found: dict[Gap, Known] = {}
    search = _Search(sources, sample_rate, max((stop - start for start, stop in spans), default=0))
    for start, stop in spans:
        inside = [gap for gap in gaps if start <= gap.start < stop]
        match, surroundings = search.match(start, stop)
        known = _known(filled, lost, inside, sample_rate, match)
        row = row_of((stop - start) / sample_rate)
        if match is not None and row.trusts(match.trust_db, known.level_db or 0.0, known.pseudo_db):
            known = replace(known, method="retrieval")
            first, last = _window(start, stop, filled.shape[1], sample_rate)
            source = surroundings.source(match, first + sources.offset, last + sources.offset)
            fill_from_source(filled, source, first, inside, sample_rate)
        found |= dict.fromkeys(inside, known)
    return found


def _joined(gaps: list[Gap]) -> list[tuple[int, int]]:
    """Join the gaps of all channels: the stretches in which any has one, in order."""
    return [(gap.start, gap.stop) for gap in join_events(Event(0, gap.start, gap.stop) for gap in gaps)]


class _Search:
    """A search for sources of gaps, in order of time; its index is made on demand, of some minutes at a time."""

    def __init__(self, sources: Sources, sample_rate: int, longest: int) -> None:
        self._sources, self._rate, self._longest = sources, sample_rate, longest
        self._index: Index | None = None
        self._part = (0, 0)

    def match(self, start: int, stop: int) -> tuple[Match | None, Surroundings]:
        first, last = self._indexed(start + self._sources.offset, stop + self._sources.offset)
        assert self._index is not None
        begin = start + self._sources.offset - first
        samples, lost = self._sources.samples[:, first:last], self._sources.lost[:, first:last]
        places = find_places(self._index, begin, begin + stop - start, self._rate)
        surroundings = Surroundings(samples, lost, begin, begin + stop - start, self._rate, origin=first)
        return surroundings.best(places, self._index.factor), surroundings

    def _indexed(self, start: int, stop: int) -> tuple[int, int]:
        """Index the part of the sources around a gap, unless that was done; returns the part's bounds."""
        reach, length = round(SEARCH_S * self._rate), self._sources.samples.shape[1]
        near = start - self._part[0] >= min(reach // 2, start) and self._part[1] - stop >= min(
            reach // 2, length - stop
        )
        if self._index is None or not near:
            first, last = max(start - reach, 0), min(stop + reach, length)
            self._part = (first, last)
            parts = self._sources.samples[:, first:last], self._sources.lost[:, first:last]
            self._index = make_index(*parts, self._rate, longest_s=self._longest / self._rate)
        return self._part


def _known(filled: NDArray, lost: NDArray[np.bool_], gaps: list[Gap], sample_rate: int, match: Match | None) -> Known:
    """Collect evidence from autoregressive fills and the match, for gaps that share a source."""
    levels = [_level(filled, gap, sample_rate)[0] for gap in gaps]
    longest = max(gap.stop - gap.start for gap in gaps) / sample_rate
    level, trust = float(np.mean(levels)), -np.inf if match is None else match.trust_db
    pseudo = -np.inf
    if (row := row_of(longest)).pseudo and row.trusts(trust, level):
        pseudo = float(np.mean([_pseudo(filled, lost, gap, sample_rate) for gap in gaps]))
    return Known(method="autoregressive", level_db=level, trust_db=trust, pseudo_db=pseudo)


def _level(filled: NDArray, gap: Gap, sample_rate: int) -> tuple[float, float]:
    """Measure the level of a gap's fill, in dB, and the power around it."""
    channel = filled[gap.channel]
    around = channel[max(2 * gap.start - gap.stop - sample_rate, 0) : 2 * gap.stop - gap.start + sample_rate]
    first = gap.start - max(2 * gap.start - gap.stop - sample_rate, 0)
    power = power_around(around.astype(np.float64), first, first + gap.stop - gap.start, sample_rate)
    return level_db(channel[gap.start : gap.stop].astype(np.float64), power), power


def _pseudo(filled: NDArray, lost: NDArray[np.bool_], gap: Gap, sample_rate: int) -> float:
    first, last = _window(gap.start, gap.stop, filled.shape[1], sample_rate, context_s=1.0)
    return pseudo_db(
        filled[gap.channel, first:last].astype(np.float64),
        lost[gap.channel, first:last],
        gap.start - first,
        gap.stop - first,
        sample_rate,
        partial(fill_gaps, sample_rate=sample_rate),
    )


def _window(
    start: int, stop: int, num_samples: int, sample_rate: int, context_s: float = LEFT_CONTEXT_S
) -> tuple[int, int]:
    context = round(context_s * sample_rate)
    return max(start - context, 0), min(stop + context, num_samples)


def fill_from_source(filled: NDArray, source: NDArray, first: int, gaps: Sequence[Gap], sample_rate: int) -> None:
    """Fill gaps in place by the source, (c, w) from sample `first` on, and a fill of what it leaves."""
    inside = slice(first, first + source.shape[1])
    for gap in gaps:
        hole = np.zeros(source.shape[1], dtype=bool)
        hole[gap.start - first : gap.stop - first] = True
        rest = np.where(hole, 0.0, filled[gap.channel, inside] - source[gap.channel])
        whole = source[gap.channel] + fill_gaps(rest, hole, sample_rate)
        filled[gap.channel, gap.start : gap.stop] = whole[hole]


def mix(
    filled: NDArray,
    lost: NDArray[np.bool_],
    gaps: dict[Gap, Known],
    sample_rate: int,
    restore_magnitudes: RestoreMagnitudes | None,
) -> dict[Gap, Known]:
    """Lend autoregressive fills, in place, the energy that they lack.

    Args:
        filled: (c, n), autoregressively.
        lost: (c, n).
        gaps: that are changed, and what is known of each.
        sample_rate: Hz.
        restore_magnitudes: the network; None takes Wiener's frames.

    Returns:
        What is known of each of the gaps.
    """
    known: dict[Gap, Known] = {}
    for channel in {gap.channel for gap in gaps}:
        here = sorted(gap for gap in gaps if gap.channel == channel)
        budgets, by_network = {}, {gap: _asks(restore_magnitudes, gap, sample_rate) for gap in here}
        for gap in here:
            level, power = _level(filled, gap, sample_rate)
            row = row_of((gap.stop - gap.start) / sample_rate)
            share = row.model_share if by_network[gap] else row.wiener_share
            known[gap] = replace(gaps[gap], level_db=level)
            if row.pseudo and share and level < MOST_KNOWN_DB and not np.isfinite(gaps[gap].pseudo_db):
                known[gap] = replace(known[gap], pseudo_db=_pseudo(filled, lost, gap, sample_rate))
            certain = max(level, known[gap].pseudo_db)
            budgets[gap] = share * (gap.stop - gap.start) * power * 10 ** (-certain / 10) * (certain < MOST_KNOWN_DB)
        whole = filled[channel].astype(np.float64)
        for asked in (False, True):
            wanting = {(gap.start, gap.stop): gap for gap in here if budgets[gap] > 0 and by_network[gap] is asked}
            if not wanting:
                continue
            from inpaint_ray.audio.wiener import wiener_frames  # torch is loaded where it is needed
            from inpaint_ray.filling.synthesis import synthesise_gaps

            name, frames = ("model", restore_magnitudes) if asked else ("wiener", wiener_frames)
            assert frames is not None
            for start, stop, other in synthesise_gaps(whole, lost[channel], list(wanting), Grid(sample_rate), frames):
                gap = wanting[start, stop]
                filled[channel, start:stop] = mix_bands(whole[start:stop], other, budgets[gap], sample_rate)
                known[gap] = replace(known[gap], method=f"autoregressive + {name}")
    return known


def _asks(network: RestoreMagnitudes | None, gap: Gap, sample_rate: int) -> bool:
    """Decide if a gap's energy comes from the network."""
    if isinstance(network, ForLongGaps):
        return gap.stop - gap.start > network.longer_than_s * sample_rate
    return network is not None
