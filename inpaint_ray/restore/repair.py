"""The second reading of a file: it is written again with its gaps filled. Samples and lost are (channels, n)."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording
from inpaint_ray.audio.encode import to_integers, write_blocks
from inpaint_ray.audio.runs import Event, Gap, mark_gaps
from inpaint_ray.filling.expectation import in_a_word
from inpaint_ray.filling.waveform import MAX_GAP_S, Effort, Fill, Method, RestoreMagnitudes, Sources
from inpaint_ray.ledger.records import RecordWriter
from inpaint_ray.merging.offers import Offer, Taken, put_and_fill
from inpaint_ray.repairing import fill_events
from inpaint_ray.restore.formats import Target, convert
from inpaint_ray.restore.gap_table import FilledGap
from inpaint_ray.restore.pieces import Piece, fill_blocks, plan_pieces
from inpaint_ray.restore.survey import Survey

DECLIPPED = Fill(0, 0, 0, "declip", np.nan)  # what clipped samples are noted as; nobody knows how near they are

FindOffers = Callable[[Recording, Piece], list[Offer]]  # a piece's window -> what copies have for its gaps


@dataclass
class Repaired:
    """What became of a file's gaps."""

    num_rows: int = 0  # in the table of gaps
    num_clamped: int = 0  # restored samples that integers cut off at full scale
    taken: list[Gap] = field(default_factory=list)  # what copies had of them


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
    find_offers: FindOffers | None = None,
) -> Repaired:
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
        find_offers: looks into other copies, if there are any.
    """
    repaired = Repaired()
    pieces = plan_pieces(survey.gaps, survey.sound.sample_rate, len(survey.sound.samples))

    def fill_window(window: Recording, piece: Piece, searched: Recording) -> Recording:
        restored, fills = fill_lost(
            window,
            piece,
            searched,
            method=method,
            effort=effort,
            restore_magnitudes=restore_magnitudes,
            offers=[] if find_offers is None else find_offers(window, piece),
        )
        if target.subtype in INTEGER_SUBTYPES:
            repaired.num_clamped += _count_beyond(restored, piece, 10 ** (target.headroom_db / 20))
        for gap in _filled_gaps(window, restored, piece, survey, target, fills):
            record.add(vars(replace(gap, name=name)))
            repaired.num_rows += 1
            if gap.copy:
                repaired.taken.append(Gap(gap.channel, gap.start, gap.stop))
        return restored

    with closing(survey.read_again(path)) as blocks:
        restored = (convert(each, target) for _, each in fill_blocks(blocks, pieces, fill_window))
        write_blocks(written, restored)
    return repaired


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
    """Return the sound of a piece's window with its lost samples filled, and what with, in samples of the window.

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
        return fill_events(
            samples,
            window.sample_rate,
            left,
            first=start,
            method=method,
            effort=effort,
            restore_magnitudes=restore_magnitudes,
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
    longest = min(MAX_GAP_S * rate, survey.num_samples - 1)
    notes = {channel: [fill for fill in fills if fill.channel == channel] for channel in range(len(window.samples))}
    for gap in piece.gaps:
        parts = list(_parts(gap, piece, notes[gap.channel]))
        is_whole = not any(isinstance(note, Taken) for _, _, note in parts)
        for start, stop, note in parts:
            length = gap.stop - gap.start if is_whole else stop - start  # of a gap that a window may cut short
            silent = not isinstance(note, Taken) and length > longest
            expected = 0.0 if silent else note.expected_snr_db
            before, after = (each.cut(start - first, stop - first) for each in (window, restored))
            original = convert(before, target).samples[gap.channel]
            yield FilledGap(
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
                **_origin(note),
                level_before_db=_level_db(before.to_float()[gap.channel]),
                level_after_db=_level_db(after.to_float()[gap.channel]),
                dtype=str(original.dtype),
                replaced=original.tobytes(),
            )


def _parts(gap: Event, piece: Piece, notes: list[Fill]) -> Iterator[tuple[int, int, Fill]]:
    """Yield the parts of a gap that lie in a piece, in samples of the recording, and what each was filled with.

    Args:
        gap: in samples of the recording.
        piece: in whose window the notes count samples.
        notes: of its channel, by start.
    """
    first = piece.window[0]
    start, stop = max(gap.start, piece.start), min(gap.stop, piece.stop)
    number = bisect_right(notes, start - first, key=lambda note: note.stop)
    if start < stop and (number == len(notes) or notes[number].start + first >= stop):
        yield start, stop, DECLIPPED
    while start < stop and number < len(notes) and (note := notes[number]).start + first < stop:
        begin, end = max(note.start + first, start), min(note.stop + first, stop)
        yield begin, end, note
        number += 1


def _origin(note: Fill) -> dict[str, Any]:
    """The columns that tell where a copy's samples come from."""
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
