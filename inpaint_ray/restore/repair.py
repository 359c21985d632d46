"""The second reading of a file: it is written again with its gaps filled. Samples and lost are (channels, n)."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.decode import Recording
from inpaint_ray.audio.encode import to_integers, write_blocks
from inpaint_ray.audio.runs import mark_gaps
from inpaint_ray.filling.expectation import in_a_word
from inpaint_ray.filling.waveform import (
    MAX_GAP_S,
    Effort,
    Fill,
    Method,
    RestoreMagnitudes,
    Sources,
    fill_with_notes,
)
from inpaint_ray.ledger.records import RecordWriter
from inpaint_ray.restore.formats import Target, convert
from inpaint_ray.restore.gap_table import FilledGap
from inpaint_ray.restore.pieces import Piece, fill_blocks, plan_pieces
from inpaint_ray.restore.survey import Survey


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
) -> int:
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
        How many rows the gaps are.
    """
    num_rows = 0
    pieces = plan_pieces(survey.gaps, survey.sound.sample_rate, len(survey.sound.samples))

    def fill_window(window: Recording, piece: Piece, searched: Recording) -> Recording:
        nonlocal num_rows
        restored, fills = fill_lost(
            window, piece, searched, method=method, effort=effort, restore_magnitudes=restore_magnitudes
        )
        for gap in _filled_gaps(window, restored, piece, survey, target, fills):
            record.add(vars(replace(gap, name=name)))
            num_rows += 1
        return restored

    with closing(survey.read_again(path)) as blocks:
        restored = (convert(each, target) for _, each in fill_blocks(blocks, pieces, fill_window))
        write_blocks(written, restored)
    return num_rows


def fill_lost(
    window: Recording,
    piece: Piece,
    searched: Recording,
    *,
    method: Method,
    effort: Effort = "normal",
    restore_magnitudes: RestoreMagnitudes | None = None,
) -> tuple[Recording, list[Fill]]:
    """Return the sound of a piece's window with its lost samples filled, and what with, in samples of the window."""
    lost = mark_gaps(piece.gaps, len(window.samples), piece.window[0], piece.window[0] + window.num_samples)
    sources = None
    if method == "auto" and piece.searched[1] > piece.window[1]:
        first = piece.searched[0]
        elsewhere = mark_gaps(piece.lost, len(window.samples), first, first + searched.num_samples)
        sources = Sources(searched.to_float(), elsewhere, offset=piece.window[0] - first)
    filled, fills = fill_with_notes(
        window.to_float(),
        window.sample_rate,
        lost,
        method=method,
        effort=effort,
        restore_magnitudes=restore_magnitudes,
        sources=sources,
    )
    samples = window.samples.copy()
    samples[lost] = to_integers(filled[lost], window.subtype) if samples.dtype == np.int32 else filled[lost]
    return replace(window, samples=samples), fills


def _filled_gaps(
    window: Recording,
    restored: Recording,
    piece: Piece,
    survey: Survey,
    target: Target,
    fills: list[Fill],
) -> Iterator[FilledGap]:
    """Yield the gaps of a piece, or the parts of them that lie in it; their `name` is still to come."""
    rate, first = window.sample_rate, piece.window[0]
    noted = {(fill.channel, fill.start + first): fill for fill in fills}
    longest = min(MAX_GAP_S * rate, survey.num_samples - 1)
    for gap in piece.gaps:
        start, stop = max(gap.start, piece.start), min(gap.stop, piece.stop)
        if start >= stop:
            continue
        note = noted[gap.channel, max(gap.start, first)]
        silent = gap.stop - gap.start > longest  # which a window may cut short
        expected = 0.0 if silent else note.expected_snr_db
        before, after = (each.cut(start - first, stop - first) for each in (window, restored))
        original = convert(before, target).samples[gap.channel]
        yield FilledGap(
            name="",
            channel=gap.channel,
            start=start,
            stop=stop,
            start_s=start / rate,
            seconds=(stop - start) / rate,
            method="silence" if silent else note.method,
            expected_snr_db=None if np.isnan(expected) else expected,
            trust="" if np.isnan(expected) else in_a_word(expected),
            level_before_db=_level_db(before.to_float()[gap.channel]),
            level_after_db=_level_db(after.to_float()[gap.channel]),
            dtype=str(original.dtype),
            replaced=original.tobytes(),
        )


def _level_db(samples: NDArray) -> float:
    finite = samples[np.isfinite(samples)].astype(np.float64)
    power = float(np.mean(finite**2)) if len(finite) else 0.0
    return 10 * np.log10(power) if power else -np.inf
