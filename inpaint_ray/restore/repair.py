"""The second pass over a file, which writes it with its gaps filled. Samples and lost are (channels, n)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.checksums import SoundDigest
from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording, read_blocks
from inpaint_ray.audio.encode import Writer, to_integers
from inpaint_ray.audio.runs import Event, mark_gaps
from inpaint_ray.filling.choice import MAX_FOUND_S, MAX_GAP_S
from inpaint_ray.filling.expectation import in_a_word
from inpaint_ray.filling.waveform import Effort, Fill, Method, RestoreMagnitudes, Sources
from inpaint_ray.ledger.records import RecordWriter
from inpaint_ray.merging.offers import Offer, Taken, put_and_fill
from inpaint_ray.repairing import fill_events
from inpaint_ray.restore.decisions import KEEP, UNDO, Decided, Part, Repair, decide, parts_of
from inpaint_ray.restore.difference import DifferenceWriter, Removed
from inpaint_ray.restore.formats import Target, convert
from inpaint_ray.restore.gap_table import FilledGap
from inpaint_ray.restore.pieces import Piece, fill_blocks, plan_pieces
from inpaint_ray.restore.survey import Survey

FindOffers = Callable[[Recording, Piece], list[Offer]]  # a piece's window -> what copies have for its gaps


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a repaired file."""

    num_rows: int  # of the gap table
    num_clamped: int  # restored samples that integers cut off at full scale
    silent: list[Event]  # gaps, or parts of them, that are left silent
    undone: list[Repair]  # taken back, as people decided
    redone: list[Repair]  # done by another method, as people decided
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
    """Write a file again with its gaps filled and noted; every other sample is the input's, bit for bit.

    Args:
        path: the damaged file.
        written: where the restored one goes.
        survey: of the damaged file.
        target: how it is written.
        name: of the file, for the table of gaps.
        method: how gaps are filled.
        effort: how much is spent on each.
        restore_magnitudes: the model, if there is one.
        record: takes the gaps.
        decided: what people decided of single repairs.
        removed: where the difference goes; None: it is not written.
        find_offers: looks into other copies, if there are any.

    Raises:
        ValueError: a decision names a repair that does not exist.
    """
    num_rows = num_clamped = 0
    decided = decided or {}
    met: set[Repair] = set()
    silent: list[Event] = []
    longest = min(MAX_GAP_S * survey.sound.sample_rate, survey.num_samples - 1)  # the longest gap that is always filled
    pieces = plan_pieces(survey.gaps, survey.sound.sample_rate, len(survey.sound.samples))

    def fill_window(window: Recording, piece: Piece, searched: Recording) -> Recording:
        nonlocal num_rows, num_clamped

        offers = [] if find_offers is None else find_offers(window, piece)

        def fill(piece: Piece, method: Method, offers: Sequence[Offer]) -> tuple[Recording, list[Fill]]:
            return fill_lost(
                window,
                piece,
                searched,
                method=method,
                effort=effort,
                restore_magnitudes=restore_magnitudes,
                offers=offers,
            )

        def refill(piece: Piece, method: Method, chosen: set[Repair]) -> tuple[Recording, list[Fill]]:
            return fill(piece, method, [offer for offer in offers if not _meets(offer, chosen)])

        restored, fills = fill(piece, method, offers)
        parts = parts_of(piece, fills)
        if decided:
            parts = decide(window, piece, restored, parts, decided, refill)
            met.update(part.repair for part in parts)
        if target.subtype in INTEGER_SUBTYPES:
            num_clamped += _count_beyond(restored, piece, 10 ** (target.headroom_db / 20))
        for part in parts:
            if _is_silent(part, parts, survey):
                if part.gap.stop - part.gap.start > longest:  # and not as --method silence asks
                    silent.append(part.gap._replace(start=part.repair.start, stop=part.repair.stop))
                part = part._replace(note=replace(part.note, method="silence", expected_snr_db=0.0))
            row = _filled_gap(window, restored, piece, target, part, decided.get(part.repair, ""))
            record.add(vars(replace(row, name=name)))
            num_rows += 1
        return restored

    sound = SoundDigest()
    with closing(survey.read_again(path)) as blocks:
        pairs = (_converted(pair, target) for pair in fill_blocks(blocks, pieces, fill_window))
        difference = _write(written, removed, pairs, sound)
    if unknown := decided.keys() - met:
        raise ValueError(f"a decision names a repair that does not exist: {min(unknown)}; see the gap table")
    return Outcome(
        num_rows=num_rows,
        num_clamped=num_clamped,
        silent=silent,
        undone=[repair for repair, decision in decided.items() if decision == UNDO],
        redone=[repair for repair, decision in decided.items() if decision not in (KEEP, UNDO)],
        sound_sha256=sound.hex(),
        removed=None
        if difference is None
        else difference.finish(_converted_blocks(path, target), read_blocks(written)),
    )


def _converted(pair: tuple[Recording, Recording], target: Target) -> tuple[Recording, Recording]:
    """Convert a block, original and restored, to the target; both are one object where nothing was lost."""
    restored = convert(pair[1], target)
    return (restored if pair[0] is pair[1] else convert(pair[0], target)), restored


def _converted_blocks(path: Path, target: Target) -> Iterator[Recording]:
    return (convert(block, target) for block in read_blocks(path))


def _write(
    written: Path, removed: Path | None, pairs: Iterator[tuple[Recording, Recording]], sound: SoundDigest
) -> DifferenceWriter | None:
    """Write restored blocks, and the difference if it is asked for."""
    with ExitStack() as stack:
        output = stack.enter_context(Writer(written))
        difference = None if removed is None else stack.enter_context(DifferenceWriter(removed))
        for damaged, restored in pairs:
            if difference is not None:
                restored = difference.add(damaged, restored)
            output.write(restored)
            sound.add(restored)
    return difference


def _count_beyond(restored: Recording, piece: Piece, most: float) -> int:
    """Count the filled samples of a piece that are above a level."""
    lost = mark_gaps(piece.gaps, len(restored.samples), piece.start, piece.stop)
    first = piece.window[0]
    sound = restored.cut(piece.start - first, piece.stop - first).to_float()
    return int(np.count_nonzero(np.abs(sound[lost[:, : sound.shape[1]]]) > most))


def fill_lost(
    window: Recording,
    piece: Piece,
    searched: Recording,
    *,
    method: Method,
    effort: Effort = "normal",
    restore_magnitudes: RestoreMagnitudes | None = None,
    offers: Sequence[Offer] = (),
) -> tuple[Recording, list[Fill]]:
    """Fill the lost samples of a piece's window; returns the window and the notes on fills, in samples of the window.

    What copies offer is taken where it is sure, or better than the ordinary fill.

    Integers become floats where there is clipping, which may be restored beyond full scale; they hold integers exactly.
    """
    start = piece.window[0]
    sources = None
    if method == "auto" and piece.searched[1] > piece.window[1]:
        first = piece.searched[0]
        elsewhere = mark_gaps(piece.lost, len(window.samples), first, first + searched.num_samples)
        sources = Sources(searched.to_float(), elsewhere, offset=start - first)

    def fill(samples: NDArray, left: list[Event]) -> tuple[NDArray, list[Fill]]:
        # A window may cut what is too long to be filled short, but never to what is predicted.
        too_long = any(gap.stop - gap.start > MAX_FOUND_S * window.sample_rate for gap in left)
        return fill_events(
            samples,
            window.sample_rate,
            left,
            first=start,
            method=method,
            effort=effort,
            restore_magnitudes=restore_magnitudes,
            max_found_s=MAX_GAP_S if too_long else None,
            sources=sources,
        )

    filled, fills = put_and_fill(window.to_float(), piece.gaps, offers, fill, first=start)
    lost = mark_gaps(piece.gaps, len(window.samples), start, start + window.num_samples)
    samples = window.samples.copy()
    if samples.dtype != np.int32:
        samples[lost] = filled[lost]
    elif any(gap.kind == "clipped" for gap in piece.gaps):
        return replace(window, samples=filled, subtype="DOUBLE" if filled.dtype == np.float64 else "FLOAT"), fills
    else:
        samples[lost] = to_integers(filled[lost], window.subtype)
    return replace(window, samples=samples), fills


def _meets(offer: Offer, chosen: set[Repair]) -> bool:
    note = offer.note
    return any(
        note.channel == repair.channel and note.start < repair.stop and repair.start < note.stop for repair in chosen
    )


def _is_silent(part: Part, parts: Sequence[Part], survey: Survey) -> bool:
    """Return True if a part of a gap stays silent: of one too long to fill, of which no copy has any sound."""
    if part.note.method == "silence":
        return True
    longest = min(MAX_FOUND_S * survey.sound.sample_rate, survey.num_samples - 1)
    taken = any(isinstance(each.note, Taken) for each in parts if each.gap == part.gap)
    return not taken and part.gap.stop - part.gap.start > longest


def _filled_gap(
    window: Recording, restored: Recording, piece: Piece, target: Target, part: Part, decision: str
) -> FilledGap:
    """Return the row of a part of a gap; its `name` is still to come."""
    rate, first = window.sample_rate, piece.window[0]
    (channel, start, stop), gap, note = part
    undone = decision == UNDO
    expected = np.nan if undone else note.expected_snr_db
    before, after = (each.cut(start - first, stop - first) for each in (window, restored))
    original = convert(before, target).samples[channel]
    return FilledGap(
        name="",
        channel=channel,
        start=start,
        stop=stop,
        kind=gap.kind,
        confidence=gap.confidence,
        start_s=start / rate,
        seconds=(stop - start) / rate,
        method="" if undone else note.method,
        expected_snr_db=None if np.isnan(expected) else expected,
        trust="" if np.isnan(expected) else in_a_word(expected),
        **({} if undone else _origin(note)),
        level_before_db=_level_db(before.to_float()[channel]),
        level_after_db=_level_db(after.to_float()[channel]),
        decision=decision,
        dtype=str(original.dtype),
        replaced=original.tobytes(),
    )


def _origin(note: Fill) -> dict[str, Any]:
    """Return the columns on the origin of a copy's samples."""
    if not isinstance(note, Taken):
        return {}
    return {
        "copy": note.copy,
        "copy_start_s": note.copy_start_s,
        "match_before_db": note.before_db,
        "match_after_db": note.after_db,
    }


def _level_db(samples: NDArray) -> float:
    finite = samples[np.isfinite(samples)].astype(np.float64)
    power = float(np.mean(finite**2)) if len(finite) else 0.0
    return 10 * np.log10(power) if power else -np.inf
