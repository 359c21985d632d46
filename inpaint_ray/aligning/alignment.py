"""The map of time from a recording to a copy of it, and the score that tells if it is one.

The score is the share of the recording's audible moments whose waveform is found in the copy at a place on which
neighbouring moments agree. Another performance may sound alike, but its waveforms are found nowhere, or at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.aligning.anchors import Anchor, Guess, find_anchor, lower_copy, lower_reference
from inpaint_ray.aligning.coarse import MOST_SPEED, SLACK_S, Place, find_chain
from inpaint_ray.aligning.features import highest_hz, make_features
from inpaint_ray.aligning.sampling import Blocks, gather

THRESHOLD = 0.3  # of the score; benchmarks.merge refuse: takes of the tuning half had up to 0.15
FEWEST_ANCHORS = 5  # that agree
EVERY_S = (0.5, 4.0)  # an anchor, in the shortest and in long recordings
NUM_ANCHORS = 400  # that are wanted
QUIET = 0.03  # of the recording's RMS: what is below says nothing
MOST_LOST = 0.3  # share of an anchor's stretch
APART_S = 0.05  # guesses that are no nearer are all tried
BESIDE = 2  # places of the chain before and after a moment that expect it somewhere
NEIGHBOURS = 8  # to either side, half of which must agree: a take that keeps tempo for 2 s does not count
LEAST_LIKENESS = 0.3  # of an anchor that counts
TOLERANCE_S, TOLERANCE = 0.002, 0.0015  # of neighbours: constant, and of the time between them

Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Alignment:
    """The knowledge of a copy: the places of the recording's moments in it."""

    score: float  # 0 to 1
    reference_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # moments, in order
    copy_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # and their places
    speed: float = 0.0  # seconds of the copy in one of the recording, less 1; the median

    @property
    def accepted(self) -> bool:
        """True for a copy of the same performance."""
        return self.score >= THRESHOLD and len(self.reference_s) >= FEWEST_ANCHORS

    def places(self, reference_s: float) -> list[tuple[float, float]]:
        """The place of a moment in the copy, in seconds, and the speed there: by the moments before and after.

        Where both agree, one place; two at a passage that only one of the two has.
        """
        if not len(self.reference_s):
            return []
        after = int(np.searchsorted(self.reference_s, reference_s))
        lines = [self._line(number) for number in (after - 1, after) if 0 <= number < len(self.reference_s)]
        found = [(copy_s + (1 + speed) * (reference_s - own), speed) for own, copy_s, speed in lines]
        if len(lines) == 2 and _steady(lines[1][0] - lines[0][0], lines[1][1] - lines[0][1], self.speed):
            step, moved = lines[1][0] - lines[0][0], lines[1][1] - lines[0][1]
            return [(lines[0][1] + moved / step * (reference_s - lines[0][0]), moved / step - 1)]
        return found

    def _line(self, number: int) -> tuple[float, float, float]:
        """A moment, its place, and the speed there."""
        near = slice(max(number - 1, 0), number + 2)
        own, other = self.reference_s[near], self.copy_s[near]
        speeds = [
            moved / step - 1
            for step, moved in zip(np.diff(own), np.diff(other), strict=True)
            if _steady(step, moved, self.speed)
        ]
        return float(self.reference_s[number]), float(self.copy_s[number]), float(np.mean(speeds or [self.speed]))


def align(
    reference: Blocks,
    reference_rate: int,
    copy: Blocks,
    copy_rate: int,
    *,
    reference_lost: Spans = (),
    copy_lost: Spans = (),
) -> Alignment:
    """Align a copy with a recording; both are read twice, and no more than their features is kept.

    Args:
        reference: reads the recording.
        reference_rate: Hz.
        copy: reads the copy.
        copy_rate: Hz.
        reference_lost: stretches of the recording in which any channel is lost, in samples.
        copy_lost: the same of the copy.
    """
    top = highest_hz(reference_rate, copy_rate)
    own = make_features(reference(), reference_rate, top, reference_lost)
    other = make_features(copy(), copy_rate, top, copy_lost)
    chain = find_chain(own, other)
    if not chain:
        return Alignment(0.0)
    duration = own.num_samples / reference_rate
    guesses = _guesses(chain, duration)
    spans = [guess.spans(reference_rate, copy_rate) for guess in guesses]

    def lower_own(number: int, sound: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """The recording around a moment; None where it is lost or says nothing."""
        unknown = _blank(sound, spans[number][0], reference_lost)
        audible = np.sqrt(np.mean(sound.astype(np.float64) ** 2)) > QUIET * own.loudness
        return lower_reference(guesses[number], sound, reference_rate) if unknown <= MOST_LOST and audible else None

    def lower_other(number: int, sound: NDArray[np.float32]) -> NDArray[np.float64] | None:
        if mine[number] is None:
            return None
        _blank(sound, spans[number][1], copy_lost)
        return lower_copy(guesses[number], sound, copy_rate)

    mine = gather(reference(), [span for span, _ in spans], lower_own)
    theirs = gather(copy(), [span for _, span in spans], lower_other)
    tried: dict[float, list[Anchor]] = {}
    for guess, one, two in zip(guesses, mine, theirs, strict=True):
        if one is not None and two is not None:
            tried.setdefault(guess.reference_s, []).append(find_anchor(guess, one, two))
    return _agreed(tried)


def _guesses(chain: list[Place], duration: float) -> list[Guess]:
    """Moments all over the recording and where the chain expects them: in several places where it jumps.

    A bar that comes again may be a step of the chain where the copy has not begun yet; its neighbours know better.
    """
    rough = Alignment(
        1.0, np.array([place.reference_s for place in chain]), np.array([place.copy_s for place in chain])
    )
    speed = _speed(rough.reference_s, rough.copy_s)
    every = float(np.clip(duration / NUM_ANCHORS, *EVERY_S))
    guesses = []
    for moment in np.arange(every / 2, duration, every):
        after = int(np.searchsorted(rough.reference_s, moment))
        near = np.arange(max(after - BESIDE, 0), min(after + BESIDE, len(chain)))
        nearest = near[np.argsort(np.abs(rough.reference_s[near] - moment))]
        places: list[float] = []
        for place in rough.copy_s[nearest] + (1 + speed) * (moment - rough.reference_s[nearest]):
            if all(abs(place - other) > APART_S for other in places):
                places.append(float(place))
        guesses += [Guess(float(moment), place, speed) for place in places]
    return guesses


def _speed(reference_s: NDArray[np.float64], copy_s: NDArray[np.float64]) -> float:
    """The speed of a chain: the median of all its pairs, weighted by the time between them (Theil and Sen)."""
    step = reference_s[None] - reference_s[:, None]
    moved = copy_s[None] - copy_s[:, None]
    steady = (step > 0) & (np.abs(moved - step) <= MOST_SPEED * step + SLACK_S)
    if not steady.any():
        return 0.0
    speeds, weights = moved[steady] / step[steady] - 1, step[steady]
    order = np.argsort(speeds)
    share = np.cumsum(weights[order])
    middle = speeds[order][int(np.searchsorted(share, share[-1] / 2))]
    return float(np.clip(middle, -MOST_SPEED, MOST_SPEED))


def _blank(excerpt: NDArray[np.float32], span: tuple[int, int], lost: Spans) -> float:
    """Set what is lost of an excerpt to zero, in place; gives its share."""
    starts = np.array([start for start, _ in lost])
    count = 0
    last = int(np.searchsorted(starts, span[1])) if len(starts) else 0
    for start, stop in lost[max(last - 1000, 0) : last]:
        begin, end = max(start - span[0], 0), min(stop, span[1]) - span[0]
        if begin < end:
            excerpt[begin:end] = 0
            count += end - begin
    return count / len(excerpt)


def _agreed(tried: dict[float, list[Anchor]]) -> Alignment:
    """The anchors that neighbours agree on, one a moment: of several the one whose neighbours are most alike."""
    anchors = [anchor for found in tried.values() for anchor in found if anchor.likeness >= LEAST_LIKENESS]
    moments = np.array([anchor.reference_s for anchor in anchors])
    chosen: dict[float, tuple[float, Anchor]] = {}
    ordered = sorted(tried)
    rank = {moment: number for number, moment in enumerate(ordered)}
    ranks = np.array([rank[moment] for moment in moments], dtype=np.int64)
    for anchor in anchors:
        near = np.flatnonzero(np.abs(ranks - rank[anchor.reference_s]) <= NEIGHBOURS)
        agreeing: dict[float, float] = {}  # the likeness of moments nearby
        for other in (anchors[number] for number in near):
            if other.reference_s != anchor.reference_s and _agree(anchor, other):
                agreeing[other.reference_s] = max(min(other.likeness, 1.0), agreeing.get(other.reference_s, 0.0))
        around = min(rank[anchor.reference_s], NEIGHBOURS) + min(
            len(ordered) - 1 - rank[anchor.reference_s], NEIGHBOURS
        )
        support = min(anchor.likeness, 1.0) + sum(agreeing.values())
        best, _ = chosen.get(anchor.reference_s, (0.0, anchor))
        if 2 * len(agreeing) >= around and support > best:
            chosen[anchor.reference_s] = support, anchor
    kept = [chosen[moment][1] for moment in sorted(chosen)]
    return Alignment(
        len(kept) / len(tried) if tried else 0.0,
        np.array([anchor.reference_s for anchor in kept]),
        np.array([anchor.copy_s for anchor in kept]),
        float(np.median([anchor.speed for anchor in kept])) if kept else 0.0,
    )


def _agree(one: Anchor, other: Anchor) -> bool:
    """Tell if two anchors lie on one line, at about the speed at which each was found."""
    step, moved = other.reference_s - one.reference_s, other.copy_s - one.copy_s
    speed = (one.speed + other.speed) / 2
    return abs(moved - (1 + speed) * step) <= TOLERANCE_S + TOLERANCE * abs(step)


def _steady(step: float, moved: float, speed: float) -> bool:
    """Tell if the copy goes on between two moments as it does everywhere."""
    return abs(moved - (1 + speed) * step) <= 2 * (TOLERANCE_S + TOLERANCE * abs(step))
