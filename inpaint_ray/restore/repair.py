"""The second reading of a file: it is written again with its gaps filled. Samples and lost are (channels, n)."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording
from inpaint_ray.audio.encode import to_integers, write_blocks
from inpaint_ray.audio.runs import Event, mark_gaps
from inpaint_ray.filling.choice import MAX_FOUND_S, MAX_GAP_S
from inpaint_ray.filling.expectation import in_a_word
from inpaint_ray.filling.waveform import Effort, Fill, Method, RestoreMagnitudes, Sources
from inpaint_ray.ledger.records import RecordWriter
from inpaint_ray.repairing import fill_events
from inpaint_ray.restore.formats import Target, convert
from inpaint_ray.restore.gap_table import FilledGap
from inpaint_ray.restore.pieces import Piece, fill_blocks, plan_pieces
from inpaint_ray.restore.survey import Survey

DECLIPPED = Fill(0, 0, 0, "declip", np.nan)  # what clipped samples are noted as; nobody knows how near they are


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
) -> tuple[int, int, set[Event]]:
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

    Returns:
        How many rows the gaps are, how many restored samples integers cut off at full scale, and the gaps that are
        left silent.
    """
    num_rows = num_clamped = 0
    silent: set[Event] = set()
    pieces = plan_pieces(survey.gaps, survey.sound.sample_rate, len(survey.sound.samples))

    def fill_window(window: Recording, piece: Piece, searched: Recording) -> Recording:
        nonlocal num_rows, num_clamped
        restored, fills = fill_lost(
            window, piece, searched, method=method, effort=effort, restore_magnitudes=restore_magnitudes
        )
        if target.subtype in INTEGER_SUBTYPES:
            num_clamped += _count_beyond(restored, piece, 10 ** (target.headroom_db / 20))
        for gap, row in _filled_gaps(window, restored, piece, survey, target, fills):
            record.add(vars(replace(row, name=name)))
            num_rows += 1
            if row.method == "silence":
                silent.add(gap)
        return restored

    with closing(survey.read_again(path)) as blocks:
        restored = (convert(each, target) for _, each in fill_blocks(blocks, pieces, fill_window))
        write_blocks(written, restored)
    return num_rows, num_clamped, silent


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
) -> Iterator[tuple[Event, FilledGap]]:
    """Yield the gaps of a piece, each with what its part there is filled with; its `name` is still to come."""
    rate, first = window.sample_rate, piece.window[0]
    noted = {(fill.channel, fill.start + first): fill for fill in fills}
    longest = min(MAX_FOUND_S * rate, survey.num_samples - 1)
    for gap in piece.gaps:
        start, stop = max(gap.start, piece.start), min(gap.stop, piece.stop)
        if start >= stop:
            continue
        note = noted.get((gap.channel, max(gap.start, first)), DECLIPPED)
        silent = gap.stop - gap.start > longest or note.method == "silence"
        expected = 0.0 if silent else note.expected_snr_db
        before, after = (each.cut(start - first, stop - first) for each in (window, restored))
        original = convert(before, target).samples[gap.channel]
        yield (
            gap,
            FilledGap(
                name="",
                channel=gap.channel,
                start=start,
                stop=stop,
                kind=gap.kind,
                confidence=gap.confidence,
                start_s=start / rate,
                seconds=(stop - start) / rate,
                method="silence" if silent else note.method,
                expected_snr_db=None if np.isnan(expected) else expected,
                trust="" if np.isnan(expected) else in_a_word(expected),
                level_before_db=_level_db(before.to_float()[gap.channel]),
                level_after_db=_level_db(after.to_float()[gap.channel]),
                dtype=str(original.dtype),
                replaced=original.tobytes(),
            ),
        )


def _level_db(samples: NDArray) -> float:
    finite = samples[np.isfinite(samples)].astype(np.float64)
    power = float(np.mean(finite**2)) if len(finite) else 0.0
    return 10 * np.log10(power) if power else -np.inf
