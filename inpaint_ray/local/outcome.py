"""What became of files, in a line each and in one of all."""

import os
from collections import Counter

from inpaint_ray.local.plan import Task
from inpaint_ray.local.work import Outcome
from inpaint_ray.names import printable, to_text

WORDS = ("sure", "likely", "guess")


def line_of(task: Task, outcome: Outcome, width: int = 0) -> str:
    """Say what was found in a file, how much was filled, how sure that is, and where it is."""
    row, name = outcome.row, f"{task.shown:<{width}}"
    if row.status == "failed":
        return f"{name}  failed: {row.error}"
    if not row.gaps:
        where = f"  -> {_shown(outcome.path)}, a copy" if outcome.path else ""
        return f"{name}  nothing found{f' ({row.error})' if row.error else ''}{where}"
    found = _count(row.gaps, "gap", "gaps")
    kinds = ", ".join(f"{count} {kind}" for kind, count in row.kinds.items())
    sure = ", ".join(f"{outcome.words[word]} {word}" for word in WORDS if outcome.words[word])
    parts = [f"{found} ({kinds})", f"{row.filled_s:.3f} s filled" + (f": {sure}" if sure else ""), row.error]
    where = f"  -> {_shown(outcome.path)}" if outcome.path else "  nothing written"
    return f"{name}  {'; '.join(filter(None, parts))}{where}"


def sum_up(outcomes: list[Outcome], num_unmatched: int = 0) -> str:
    """Count the files by what became of them, and the seconds that were filled."""
    counts = Counter(_word(outcome) for outcome in outcomes) + Counter({"failed": num_unmatched})
    order = ("repaired", "without damage", "not filled", "failed")
    shown = ", ".join(f"{counts[word]} {word}" for word in order if counts[word])
    filled_s = sum(outcome.row.filled_s for outcome in outcomes)
    return f"{_count(len(outcomes), 'file', 'files')}: {shown}; {filled_s:.3f} s filled"


def _word(outcome: Outcome) -> str:
    row = outcome.row
    if row.status == "failed":
        return "failed"
    return "repaired" if row.gap_rows else "not filled" if row.gaps else "without damage"


def _shown(path: str) -> str:
    """Return a path for people, relative to where they are if that is shorter."""
    return printable(to_text(min(path, os.path.relpath(path), key=len)))


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
