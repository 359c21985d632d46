"""Decisions of people on single repairs, in decisions.csv.

The columns are name, channel, start, stop, decision: the first four as the table of gaps has them (the file's name in
the manifest, samples from 0, one past the last), then `keep`, `undo`, or the method that is to do the repair again.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np

from inpaint_ray import storage
from inpaint_ray.audio.decode import Recording
from inpaint_ray.audio.runs import Event
from inpaint_ray.errors import UsageError
from inpaint_ray.filling.waveform import METHODS, Fill, Method
from inpaint_ray.names import printable
from inpaint_ray.restore.pieces import Piece

COLUMNS = ("name", "channel", "start", "stop", "decision")
KEEP, UNDO = "keep", "undo"
DECISIONS = (KEEP, UNDO, *METHODS)

DECLIPPED = Fill(0, 0, 0, "declip", np.nan)  # the note on clipped samples, whose SNR is unknown


class Repair(NamedTuple):
    """The place of a repair in a file, by which a row of the gap table is named."""

    channel: int  # from 0
    start: int  # samples
    stop: int

    def __str__(self) -> str:
        return f"channel {self.channel}, samples {self.start} to {self.stop}"


Decided = dict[Repair, str]


def read_decisions(flag: str, uri: str) -> dict[str, Decided]:
    """Read the decisions in a file, by name of the recording.

    Raises:
        UsageError: there is no such file, or a line of it cannot be understood.
    """
    try:
        text = storage.read_bytes(uri).decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{flag} {uri}: no such file") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{flag} {uri}: not a text file: {error}") from error
    rows = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise UsageError(
            f"{flag} {uri}: no column {', '.join(missing)}; its first line must be {','.join(COLUMNS)}, with commas"
        )
    decided: dict[str, Decided] = defaultdict(dict)
    for row in rows:
        where = f"{flag} {uri} line {rows.line_num}"
        try:
            repair = Repair(*(int(row[column]) for column in COLUMNS[1:4]))
        except (TypeError, ValueError):
            raise UsageError(f"{where}: channel, start and stop must be whole numbers: samples, not seconds") from None
        decision = (row["decision"] or "").strip()
        if decision not in DECISIONS:
            raise UsageError(f"{where}: decision {decision!r} is none of {', '.join(DECISIONS)}")
        if decided[row["name"]].setdefault(repair, decision) != decision:
            raise UsageError(f"{where}: {printable(row['name'])}, {repair} has two different decisions")
    return dict(decided)


def check_names(flag: str, uri: str, decided: Iterable[str], names: Collection[str], where: str) -> None:
    """Check that decisions are on files of the archive.

    Raises:
        UsageError: one is not.
    """
    for name in decided:
        if name not in names:
            raise UsageError(f"{flag} {uri}: no file named {printable(name)} in {where}")


def to_text(decided: Decided) -> str:
    """Format the decisions on a file as text, the same for the same decisions."""
    return json.dumps(sorted([*repair, decision] for repair, decision in decided.items()))


def from_text(text: str) -> Decided:
    """Parse the text of `to_text`; no decisions from an empty one."""
    return {Repair(*repair): decision for *repair, decision in json.loads(text or "[]")}


class Part(NamedTuple):
    """A gap of a piece, or a part of one that was filled by itself, with the note on its fill."""

    repair: Repair
    gap: Event  # the whole of it, which other pieces may share
    note: Fill


# A piece, a method, and the repairs that no copy may fill -> the filled window, and its notes in samples of it.
Refill = Callable[[Piece, Method, set[Repair]], tuple[Recording, list[Fill]]]


def decide(
    window: Recording, piece: Piece, restored: Recording, parts: list[Part], decided: Decided, refill: Refill
) -> list[Part]:
    """Apply decisions to the repairs of a filled window; all others stay as they are, bit for bit.

    Args:
        window: of the piece, as it came.
        piece: that the window is of.
        restored: the window as the run's method and copies fill it; its samples are changed.
        parts: the repairs of the piece; those that are taken back keep their notes.
        decided: the decisions on all repairs of the file.
        refill: fills the window again, by the method of a decision.

    Returns:
        The parts; those that were done again have the notes on their new fills.
    """
    first = piece.window[0]
    for decision in sorted({decided.get(part.repair, KEEP) for part in parts} - {KEEP}):
        chosen = {part.repair for part in parts if decided.get(part.repair) == decision}
        marked = _as_marked(piece, {part.gap for part in parts if part.repair in chosen})
        again, notes = (window, None) if decision == UNDO else refill(marked, cast(Method, decision), chosen)
        values = again.samples if again.samples.dtype == restored.samples.dtype else again.to_float()
        for channel, start, stop in chosen:
            restored.samples[channel, start - first : stop - first] = values[channel, start - first : stop - first]
        if notes is not None:
            parts = [
                each._replace(note=_note_at(each, notes, first)) if each.repair in chosen else each for each in parts
            ]
    return parts


def parts_of(piece: Piece, fills: Sequence[Fill]) -> list[Part]:
    """Return the repairs of a piece: every gap in it, whole, or in parts where it was filled in parts.

    Args:
        piece: in samples of the recording.
        fills: of its window, in samples of the window, by channel and start.
    """
    first = piece.window[0]
    parts = []
    for gap in piece.gaps:
        start, stop = max(gap.start, piece.start), min(gap.stop, piece.stop)
        for note in fills:
            begin, end = max(note.start + first, start), min(note.stop + first, stop)
            if note.channel != gap.channel or begin >= end:
                continue
            if start < begin:
                parts.append(Part(Repair(gap.channel, start, begin), gap, DECLIPPED))
            parts.append(Part(Repair(gap.channel, begin, end), gap, note))
            start = end
        if start < stop:
            parts.append(Part(Repair(gap.channel, start, stop), gap, DECLIPPED))
    return parts


def _note_at(part: Part, notes: Sequence[Fill], first: int) -> Fill:
    """Return the note on a repair, found by its first sample."""
    channel, start, _ = part.repair
    found = (note for note in notes if note.channel == channel and note.start <= start - first < note.stop)
    return next(found, DECLIPPED)


def _as_marked(piece: Piece, chosen: set[Event]) -> Piece:
    """Return the piece with chosen gaps as of kind `marked`, so that a named method fills clipped samples, too."""
    return replace(piece, gaps=[gap._replace(kind="marked") if gap in chosen else gap for gap in piece.gaps])
