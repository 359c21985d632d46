"""The second pass over a file, which writes it with its gaps filled.

`repair_file` reads the file block by block; `_WindowFiller` fills a piece's window at a time, applies the decisions on
its repairs and adds their rows to the record; `fill_piece` fills the window itself. Samples and lost are (channels, n).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.checksums import SoundDigest
from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording, read_blocks
from inpaint_ray.audio.encode import Writer, to_integers
from inpaint_ray.audio.runs import Event, mark_gaps
from inpaint_ray.filling.choice import MAX_FOUND_S, MAX_GAP_S
from inpaint_ray.filling.waveform import Effort, Fill, Method, RestoreMagnitudes, Sources
from inpaint_ray.ledger.records import RecordWriter
from inpaint_ray.merging.offers import CopyFill, Offer, fill_with_offers
from inpaint_ray.repairing import fill_events
from inpaint_ray.restore.decisions import KEEP, UNDO, Decided, Part, Repair, decide, parts_of
from inpaint_ray.restore.difference import DifferenceWriter, Removed
from inpaint_ray.restore.formats import Target, convert
from inpaint_ray.restore.gap_row import make_row
from inpaint_ray.restore.pieces import Piece, fill_blocks, plan_pieces
from inpaint_ray.restore.survey import Survey

FindOffers = Callable[[Recording, Piece], list[Offer]]  # a piece's window, the piece -> offers of copies for its gaps


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a repaired file."""

    num_rows: int  # of the gap table
    num_clamped: int  # restored samples that integers cut off at full scale
    silent: list[Event]  # too long to fill: gaps, or parts of them, that are left silent
    undone: list[Repair]  # taken back by a decision
    redone: list[Repair]  # done by another method by a decision
    sound_sha256: str  # of the restored samples
    removed: Removed | None  # the difference, if one was asked for


def repair_file(
    path: Path,
    written: Path,
    survey: Survey,
    target: Target,
    *,
    name: str,
    method: Method,
    effort: Effort,
    restore_magnitudes: RestoreMagnitudes | None,
    record: RecordWriter,
    decided: Decided | None = None,
    removed: Path | None = None,
    find_offers: FindOffers | None = None,
) -> Outcome:
    """Write a file again with its gaps filled, and a row of the gap table for each repair.

    Every other sample is the input's, bit for bit.

    Args:
        path: the damaged file.
        written: the path of the restored file.
        survey: of the damaged file: its gaps, and the settings of its sound.
        target: the format of the restored file.
        name: of the file, for the gap table.
        method: of filling.
        effort: of filling.
        restore_magnitudes: the model, if there is one.
        record: to which the rows are added.
        decided: the decisions on single repairs of this file.
        removed: the path of the difference; None: it is not written.
        find_offers: finds what other copies have for gaps, if there are any copies.

    Raises:
        ValueError: a decision names a repair that does not exist.
    """
    decided = decided or {}
    filler = _WindowFiller(
        survey=survey,
        target=target,
        name=name,
        method=method,
        effort=effort,
        restore_magnitudes=restore_magnitudes,
        record=record,
        decided=decided,
        find_offers=find_offers,
    )
    pieces = plan_pieces(survey.gaps, survey.sound.sample_rate, len(survey.sound.samples))
    sound = SoundDigest()
    with closing(survey.read_again(path)) as blocks:
        pairs = (_convert_pair(pair, target) for pair in fill_blocks(blocks, pieces, filler.fill_window))
        difference = _write(written, removed, pairs, sound)
    if unknown := decided.keys() - filler.repairs:
        raise ValueError(f"a decision names a repair that does not exist: {min(unknown)}; see the gap table")
    return Outcome(
        num_rows=filler.num_rows,
        num_clamped=filler.num_clamped,
        silent=filler.silent,
        undone=[repair for repair, decision in decided.items() if decision == UNDO],
        redone=[repair for repair, decision in decided.items() if decision not in (KEEP, UNDO)],
        sound_sha256=sound.hex(),
        removed=None if difference is None else difference.finish(_read_converted(path, target), read_blocks(written)),
    )


@dataclass(kw_only=True)
class _WindowFiller:
    """The filling of a file's pieces, one after the other, and the counts that its outcome needs."""

    survey: Survey
    target: Target
    name: str
    method: Method
    effort: Effort
    restore_magnitudes: RestoreMagnitudes | None
    record: RecordWriter
    decided: Decided
    find_offers: FindOffers | None
    num_rows: int = 0
    num_clamped: int = 0
    silent: list[Event] = field(default_factory=list)
    repairs: set[Repair] = field(default_factory=set)  # of the pieces so far; not noted if there are no decisions

    def fill_window(self, window: Recording, piece: Piece, searched: Recording) -> Recording:
        """Fill the window of a piece, apply decisions, and add a row for each repair; see `pieces.fill_blocks`."""
        offers = [] if self.find_offers is None else self.find_offers(window, piece)

        def fill(piece: Piece, method: Method, offers: Sequence[Offer]) -> tuple[Recording, list[Fill]]:
            return fill_piece(
                window,
                piece,
                searched,
                method=method,
                effort=self.effort,
                restore_magnitudes=self.restore_magnitudes,
                offers=offers,
            )

        def refill(piece: Piece, method: Method, chosen: set[Repair]) -> tuple[Recording, list[Fill]]:
            return fill(piece, method, [offer for offer in offers if not _overlaps(offer, chosen)])

        restored, fills = fill(piece, self.method, offers)
        parts = parts_of(piece, fills)
        if self.decided:
            parts = decide(window, piece, restored, parts, self.decided, refill)
            self.repairs.update(part.repair for part in parts)
        if self.target.subtype in INTEGER_SUBTYPES:
            self.num_clamped += _count_above(restored, piece, 10 ** (self.target.headroom_db / 20))
        for part in parts:
            if _is_silent(part, parts, self.survey):
                part = self._note_silence(part)
            row = make_row(window, restored, piece, self.target, part, self.decided.get(part.repair, ""))
            self.record.add(vars(replace(row, name=self.name)))
            self.num_rows += 1
        return restored

    def _note_silence(self, part: Part) -> Part:
        """Return a silent part with a note that says so; list it where silence was not asked for by `--method`."""
        always_filled = min(MAX_GAP_S * self.survey.sound.sample_rate, self.survey.num_samples - 1)
        if part.gap.stop - part.gap.start > always_filled:
            self.silent.append(part.gap._replace(start=part.repair.start, stop=part.repair.stop))
        return part._replace(note=replace(part.note, method="silence", expected_snr_db=0.0))


def fill_piece(
    window: Recording,
    piece: Piece,
    searched: Recording,
    *,
    method: Method,
    effort: Effort = "normal",
    restore_magnitudes: RestoreMagnitudes | None = None,
    offers: Sequence[Offer] = (),
) -> tuple[Recording, list[Fill]]:
    """Fill all lost samples of a piece's window.

    Args:
        window: the sound of `piece.window`.
        piece: whose gaps are filled.
        searched: the sound of `piece.searched`, in which `auto` looks for the same music.
        method: of filling.
        effort: of filling.
        restore_magnitudes: the model, if there is one.
        offers: of copies; taken where they are sure, or better than the ordinary fill.

    Returns:
        The window, and the notes on fills, in samples of the window. Integers become floats, which hold them exactly,
        where there is clipping: what is restored may be beyond full scale.
    """
    first, searched_first = piece.window[0], piece.searched[0]
    sources = None
    if method == "auto" and piece.searched[1] > piece.window[1]:
        elsewhere = mark_gaps(
            piece.searched_gaps, len(window.samples), searched_first, searched_first + searched.num_samples
        )
        sources = Sources(searched.to_float(), elsewhere, offset=first - searched_first)

    def fill(samples: NDArray, events: list[Event]) -> tuple[NDArray, list[Fill]]:
        # The window may hold only an end of a gap that is too long to fill. No longer than MAX_FOUND_S there, it would
        # be filled from elsewhere; it cannot be so short that it would be predicted (see pieces.CONTEXT_S).
        is_too_long = any(event.stop - event.start > MAX_FOUND_S * window.sample_rate for event in events)
        return fill_events(
            samples,
            window.sample_rate,
            events,
            first=first,
            method=method,
            effort=effort,
            restore_magnitudes=restore_magnitudes,
            max_found_s=MAX_GAP_S if is_too_long else None,
            sources=sources,
        )

    filled, fills = fill_with_offers(window.to_float(), piece.gaps, offers, fill, first=first)
    if window.samples.dtype == np.int32 and any(gap.kind == "clipped" for gap in piece.gaps):
        return replace(window, samples=filled, subtype="DOUBLE" if filled.dtype == np.float64 else "FLOAT"), fills
    lost = mark_gaps(piece.gaps, len(window.samples), first, first + window.num_samples)
    samples = window.samples.copy()
    samples[lost] = to_integers(filled[lost], window.subtype) if samples.dtype == np.int32 else filled[lost]
    return replace(window, samples=samples), fills


def _overlaps(offer: Offer, chosen: set[Repair]) -> bool:
    """Return True if an offer has samples of one of the chosen repairs."""
    note = offer.note
    return any(
        note.channel == repair.channel and note.start < repair.stop and repair.start < note.stop for repair in chosen
    )


def _count_above(restored: Recording, piece: Piece, level: float) -> int:
    """Count the filled samples of a piece that are above a level."""
    lost = mark_gaps(piece.gaps, len(restored.samples), piece.start, piece.stop)
    first = piece.window[0]
    sound = restored.cut(piece.start - first, piece.stop - first).to_float()
    return int(np.count_nonzero(np.abs(sound[lost[:, : sound.shape[1]]]) > level))


def _is_silent(part: Part, parts: Sequence[Part], survey: Survey) -> bool:
    """Return True if a part of a gap stays silent.

    It does by the method `silence`, and where its gap is too long for every method and no copy has any part of it.
    """
    if part.note.method == "silence":
        return True
    longest_filled = min(MAX_FOUND_S * survey.sound.sample_rate, survey.num_samples - 1)
    taken = any(isinstance(each.note, CopyFill) for each in parts if each.gap == part.gap)
    return not taken and part.gap.stop - part.gap.start > longest_filled


def _convert_pair(pair: tuple[Recording, Recording], target: Target) -> tuple[Recording, Recording]:
    """Convert a block, original and restored, to the target; where both are one object, they stay one."""
    restored = convert(pair[1], target)
    return (restored if pair[0] is pair[1] else convert(pair[0], target)), restored


def _read_converted(path: Path, target: Target) -> Iterator[Recording]:
    """Read the blocks of a file, converted to the target."""
    return (convert(block, target) for block in read_blocks(path))


def _write(
    written: Path, removed: Path | None, pairs: Iterator[tuple[Recording, Recording]], sound: SoundDigest
) -> DifferenceWriter | None:
    """Write the restored blocks, add them to the digest, and write the difference if it is asked for."""
    with ExitStack() as stack:
        output = stack.enter_context(Writer(written))
        difference = None if removed is None else stack.enter_context(DifferenceWriter(removed))
        for damaged, restored in pairs:
            if difference is not None:
                restored = difference.add(damaged, restored)
            output.write(restored)
            sound.add(restored)
    return difference
