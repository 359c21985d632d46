"""Lines for the user on the outcome of each file, and of all."""

import os
from collections import Counter

from inpaint_ray.local.plan import Task
from inpaint_ray.local.work import Outcome
from inpaint_ray.names import printable, to_text

WORDS = ("sure", "likely", "guess")


def line_of(task: Task, outcome: Outcome, width: int = 0) -> str:
    """Format what was found in a file, the seconds filled, the trust in the fills, and the path of the output."""
    row, name = outcome.row, f"{task.label:<{width}}"
    if row.status == "failed":
        return f"{name}  failed: {row.error}"
    if not row.gaps:
        where = f"  -> {_short_path(outcome.path)}, a copy" if outcome.path else ""
        return f"{name}  nothing found{f' ({row.error})' if row.error else ''}{where}"
    found = _count(row.gaps, "gap", "gaps")
    kinds = ", ".join(f"{count} {kind}" for kind, count in row.kinds.items())
    sure = ", ".join(f"{outcome.words[word]} {word}" for word in WORDS if outcome.words[word])
    parts = [f"{found} ({kinds})", f"{row.filled_s:.3f} s filled" + (f": {sure}" if sure else ""), row.error]
    where = f"  -> {_short_path(outcome.path)}" if outcome.path else "  nothing written"
    return f"{name}  {'; '.join(filter(None, parts))}{where}"


def sum_up(outcomes: list[Outcome], num_unmatched: int = 0) -> str:
    """Format the counts of files by outcome, and the seconds filled."""
    counts = Counter(_word(outcome) for outcome in outcomes) + Counter({"failed": num_unmatched})
    order = ("repaired", "without damage", "not filled", "failed")
    by_outcome = ", ".join(f"{counts[word]} {word}" for word in order if counts[word])
    filled_s = sum(outcome.row.filled_s for outcome in outcomes)
    return f"{_count(len(outcomes), 'file', 'files')}: {by_outcome}; {filled_s:.3f} s filled"


def _word(outcome: Outcome) -> str:
    row = outcome.row
    if row.status == "failed":
        return "failed"
    return "repaired" if row.gap_rows else "not filled" if row.gaps else "without damage"


def _short_path(path: str) -> str:
    """Return a path to print, relative to the working directory if that is shorter."""
    return printable(to_text(min(path, os.path.relpath(path), key=len)))


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
