"""The second reading of a file: it is written again with its gaps filled. Samples and lost are (channels, n)."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

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
from inpaint_ray.repairing import fill_events
from inpaint_ray.restore.decisions import KEEP, UNDO, Decided, Repair, decide, repairs_of
from inpaint_ray.restore.difference import DifferenceWriter, Removed
from inpaint_ray.restore.formats import Target, convert
from inpaint_ray.restore.gap_table import FilledGap
from inpaint_ray.restore.pieces import Piece, fill_blocks, plan_pieces
from inpaint_ray.restore.survey import Survey

DECLIPPED = Fill(0, 0, 0, "declip", np.nan)  # what clipped samples are noted as; nobody knows how near they are


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The account of a repair."""

    num_rows: int  # that the gaps are
    num_clamped: int  # restored samples that integers cut off at full scale
    silent: set[Event]  # gaps that are left silent
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

    Raises:
        ValueError: something is decided of a repair that there is not.
    """
    num_rows = num_clamped = 0
    decided = decided or {}
    met: set[Repair] = set()
    silent: set[Event] = set()
    pieces = plan_pieces(survey.gaps, survey.sound.sample_rate, len(survey.sound.samples))

    def fill_window(window: Recording, piece: Piece, searched: Recording) -> Recording:
        nonlocal num_rows, num_clamped

        def refill(piece: Piece, method: Method) -> tuple[Recording, list[Fill]]:
            return fill_lost(
                window, piece, searched, method=method, effort=effort, restore_magnitudes=restore_magnitudes
            )

        restored, fills = refill(piece, method)
        if decided:
            restored, fills = decide(window, piece, restored, fills, decided, refill)
            met.update(repair for repair, _ in repairs_of(piece))
        if target.subtype in INTEGER_SUBTYPES:
            num_clamped += _count_beyond(restored, piece, 10 ** (target.headroom_db / 20))
        for gap, row in _filled_gaps(window, restored, piece, survey, target, fills, decided):
            record.add(vars(replace(row, name=name)))
            num_rows += 1
            if row.method == "silence" and gap.stop - gap.start > MAX_GAP_S * window.sample_rate:
                silent.add(gap)
        return restored

    sound = SoundDigest()
    with closing(survey.read_again(path)) as blocks:
        pairs = (_converted(pair, target) for pair in fill_blocks(blocks, pieces, fill_window))
        difference = _write(written, removed, pairs, sound)
    if unknown := decided.keys() - met:
        raise ValueError(f"it is decided on a repair that there is not: {min(unknown)}; see the table of gaps")
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
    """Return a block as it came and restored, as the target holds them; one and the same where nothing was lost."""
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
) -> tuple[Recording, list[Fill]]:
    """Return the sound of a piece's window with its lost samples filled, and what with, in samples of the window.

    Integers become floats where there is clipping, which may be restored beyond full scale; they hold integers exactly.
    """
    start = piece.window[0]
    sources = None
    if method == "auto" and piece.searched[1] > piece.window[1]:
        first = piece.searched[0]
        elsewhere = mark_gaps(piece.lost, len(window.samples), first, first + searched.num_samples)
        sources = Sources(searched.to_float(), elsewhere, offset=start - first)
    # A window may cut what is too long to be filled short, but never to what is predicted.
    too_long = any(gap.stop - gap.start > MAX_FOUND_S * window.sample_rate for gap in piece.gaps)
    filled, fills = fill_events(
        window.to_float(),
        window.sample_rate,
        piece.gaps,
        first=start,
        method=method,
        effort=effort,
        restore_magnitudes=restore_magnitudes,
        max_found_s=MAX_GAP_S if too_long else None,
        sources=sources,
    )
    lost = mark_gaps(piece.gaps, len(window.samples), start, start + window.num_samples)
    samples = window.samples.copy()
    if samples.dtype != np.int32:
        samples[lost] = filled[lost]
    elif any(gap.kind == "clipped" for gap in piece.gaps):
        return replace(window, samples=filled, subtype="DOUBLE" if filled.dtype == np.float64 else "FLOAT"), fills
    else:
        samples[lost] = to_integers(filled[lost], window.subtype)
    return replace(window, samples=samples), fills


def _filled_gaps(
    window: Recording,
    restored: Recording,
    piece: Piece,
    survey: Survey,
    target: Target,
    fills: list[Fill],
    decided: Decided,
) -> Iterator[tuple[Event, FilledGap]]:
    """Yield the gaps of a piece, each with what its part there is filled with; its `name` is still to come."""
    rate, first = window.sample_rate, piece.window[0]
    noted = {(fill.channel, fill.start + first): fill for fill in fills}
    longest = min(MAX_FOUND_S * rate, survey.num_samples - 1)
    for repair, gap in repairs_of(piece):
        _, start, stop = repair
        decision = decided.get(repair, "")
        note = noted.get((gap.channel, max(gap.start, first)), DECLIPPED)
        silent = gap.stop - gap.start > longest or note.method == "silence"
        method, expected = ("silence", 0.0) if silent else (note.method, note.expected_snr_db)
        if decision == UNDO:
            method, expected = "", np.nan
        before, after = (each.cut(start - first, stop - first) for each in (window, restored))
        original = convert(before, target).samples[gap.channel]
        row = FilledGap(
            name="",
            channel=gap.channel,
            start=start,
            stop=stop,
            kind=gap.kind,
            confidence=gap.confidence,
            start_s=start / rate,
            seconds=(stop - start) / rate,
            method=method,
            expected_snr_db=None if np.isnan(expected) else expected,
            trust="" if np.isnan(expected) else in_a_word(expected),
            level_before_db=_level_db(before.to_float()[gap.channel]),
            level_after_db=_level_db(after.to_float()[gap.channel]),
            decision=decision,
            dtype=str(original.dtype),
            replaced=original.tobytes(),
        )
        yield gap, row


def _level_db(samples: NDArray) -> float:
    finite = samples[np.isfinite(samples)].astype(np.float64)
    power = float(np.mean(finite**2)) if len(finite) else 0.0
    return 10 * np.log10(power) if power else -np.inf
