"""Offers of copies for gaps, put in their places beside the ordinary fills. Shapes: c = channels, n = samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.runs import Event, Gap, leave_out
from inpaint_ray.filling.waveform import Fill

FillEvents = Callable[[NDArray, list[Event]], tuple[NDArray, list[Fill]]]  # (c, n) and events -> (c, n) and notes


@dataclass(frozen=True)
class CopyFill(Fill):
    """A note on a gap, or a part of one, that a copy has filled."""

    copy: str = ""  # its name; of two, joined by " + "
    copy_start_s: float = 0.0  # where the gap begins in the copy, the better one if there are two
    before_db: float = -np.inf  # SNR of the copy on this side of the gap, fitted on the other
    after_db: float = -np.inf

    @property
    def trust_db(self) -> float:
        """Return the lesser SNR of both sides."""
        return min(self.before_db, self.after_db)


@dataclass(frozen=True)
class Offer:
    """The samples that a copy offers for a part of a gap."""

    note: CopyFill
    values: NDArray[np.float64]  # (stop - start,)
    is_sure: bool  # no ordinary fill needs to be compared


def fill_with_offers(
    samples: NDArray, events: Sequence[Event], offers: Sequence[Offer], fill: FillEvents, *, first: int = 0
) -> tuple[NDArray, list[Fill]]:
    """Put sure offers in their places, fill what is left, and put other offers where more is expected of them.

    Args:
        samples: (c, n) float.
        events: that reach into the samples, in samples of the recording.
        offers: in samples of the recording.
        fill: fills events; its notes are in samples of what it is given.
        first: sample of the recording that the samples begin with.

    Returns:
        The samples, and a note for each gap or part of one, by channel and start, counted as those of `fill`.
    """
    sure, others = ([offer for offer in offers if offer.is_sure is wanted] for wanted in (True, False))
    taken = samples.copy()
    _put(sure, taken, first)
    filled, notes = fill(taken, leave_out(events, [_gap(offer.note) for offer in sure]))
    moved = [replace(note, start=note.start + first, stop=note.stop + first) for note in notes]
    better = [offer for offer in others if all(_is_better(offer.note, note) for note in moved)]
    _put(better, filled, first)
    kept = [part for note in moved for part in _without(note, better)] + [offer.note for offer in (*sure, *better)]
    shifted = [replace(note, start=note.start - first, stop=note.stop - first) for note in kept]
    return filled, sorted(shifted, key=lambda note: (note.channel, note.start))


def _put(offers: Sequence[Offer], samples: NDArray, first: int) -> None:
    for offer in offers:
        samples[offer.note.channel, offer.note.start - first : offer.note.stop - first] = offer.values


def _gap(note: Fill) -> Gap:
    return Gap(note.channel, note.start, note.stop)


def _is_better(taken: CopyFill, note: Fill) -> bool:
    """Return True if no ordinary fill that an offer would replace is expected to be nearer."""
    meet = taken.channel == note.channel and taken.start < note.stop and note.start < taken.stop
    return not meet or bool(np.isnan(note.expected_snr_db) or taken.expected_snr_db > note.expected_snr_db)


def _without(note: Fill, offers: Sequence[Offer]) -> list[Fill]:
    """Return the parts of a note in which no offer was put."""
    parts = leave_out([Event(*_gap(note))], [_gap(offer.note) for offer in offers])
    return [replace(note, start=part.start, stop=part.stop) for part in parts]
