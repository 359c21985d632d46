"""decisions.csv: what people decide of single repairs.

The columns are name, channel, start, stop, decision: the first four as the table of gaps has them (the file's name in
the manifest, samples from 0, one past the last), then `keep`, `undo`, or the method that is to do the repair again.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import NamedTuple, cast

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


class Repair(NamedTuple):
    """A repair of a file: a row of its gaps."""

    channel: int  # from 0
    start: int  # samples
    stop: int

    def __str__(self) -> str:
        return f"channel {self.channel}, samples {self.start} to {self.stop}"


Decided = dict[Repair, str]


def read_decisions(flag: str, uri: str) -> dict[str, Decided]:
    """Read the decisions of a file: name of a recording -> what is decided of its repairs.

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
            raise UsageError(f"{where}: {printable(row['name'])}, {repair}, is decided twice and differently")
    return dict(decided)


def check_names(flag: str, uri: str, decided: Iterable[str], names: Collection[str], where: str) -> None:
    """Check that files that are decided on are among those with these names.

    Raises:
        UsageError: one is not.
    """
    for name in decided:
        if name not in names:
            raise UsageError(f"{flag} {uri}: no file named {printable(name)} in {where}")


def to_text(decided: Decided) -> str:
    """Return what is decided of a file as text, the same for the same decisions."""
    return json.dumps(sorted([*repair, decision] for repair, decision in decided.items()))


def from_text(text: str) -> Decided:
    """Return what `to_text` made the text from; nothing of an empty one."""
    return {Repair(*repair): decision for *repair, decision in json.loads(text or "[]")}


Refill = Callable[[Piece, Method], tuple[Recording, list[Fill]]]


def decide(
    window: Recording, piece: Piece, restored: Recording, fills: list[Fill], decided: Decided, refill: Refill
) -> tuple[Recording, list[Fill]]:
    """Return a filled window with its repairs done as people decided; all others stay as they are, bit for bit.

    Args:
        window: of the piece, as it came.
        piece: whose repairs are looked for among those that are decided.
        restored: the window as the run's method fills it; its samples are changed.
        fills: what with.
        decided: of the file.
        refill: fills the window of a piece by another method.
    """
    first = piece.window[0]
    repairs = {repair: decided[repair] for repair, _ in repairs_of(piece) if decided.get(repair, KEEP) != KEEP}
    for decision in sorted(set(repairs.values())):
        chosen = {repair for repair, each in repairs.items() if each == decision}
        again, notes = (window, []) if decision == UNDO else refill(_marked(piece, chosen), cast(Method, decision))
        values = again.samples if again.samples.dtype == restored.samples.dtype else again.to_float()
        for channel, start, stop in chosen:
            restored.samples[channel, start - first : stop - first] = values[channel, start - first : stop - first]
        starts = {(repair.channel, repair.start - first) for repair in chosen}
        fills = [fill for fill in fills if (fill.channel, fill.start) not in starts]
        fills += [note for note in notes if (note.channel, note.start) in starts]
    return restored, fills


def repairs_of(piece: Piece) -> list[tuple[Repair, Event]]:
    """The repairs of a piece, and the events that they are of, whole or in part."""
    parts = [(Repair(gap.channel, max(gap.start, piece.start), min(gap.stop, piece.stop)), gap) for gap in piece.gaps]
    return [(repair, gap) for repair, gap in parts if repair.start < repair.stop]


def _marked(piece: Piece, chosen: set[Repair]) -> Piece:
    """The piece with chosen gaps as marked ones: a method that is named fills clipped samples, too."""
    gaps = {gap: gap._replace(kind="marked") for repair, gap in repairs_of(piece) if repair in chosen}
    return replace(piece, gaps=[gaps.get(gap, gap) for gap in piece.gaps])
