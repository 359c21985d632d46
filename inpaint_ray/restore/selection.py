"""The selection of repairs: by decisions, by a condition, by their kind."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from inpaint_ray.audio.runs import KINDS
from inpaint_ray.errors import UsageError
from inpaint_ray.restore.decisions import UNDO, Decided, Repair, read_decisions
from inpaint_ray.restore.where import parse_condition


@dataclass(frozen=True)
class Selection:
    """The criteria for repairs, all of which must hold."""

    only: Mapping[str, set[Repair]] | None = None  # name of the file -> its repairs; None: all
    condition: pc.Expression | None = None  # on rows of the table of gaps

    @property
    def is_all(self) -> bool:
        return self.only is None and self.condition is None

    def may_choose(self, name: str) -> bool:
        """Return True if any repair of a file can be chosen."""
        return self.only is None or bool(self.only.get(name))

    def choose(self, name: str, gaps: pa.Table) -> set[Repair]:
        """Return the repairs of a file that are chosen.

        Args:
            name: of the file.
            gaps: its rows of the table of gaps, without what was replaced.

        Raises:
            ValueError: a repair that is listed is not among them.
        """
        listed = None if self.only is None else self.only.get(name, set())
        if listed is not None and (unknown := listed - repairs_in(gaps)):
            raise ValueError(f"it has no repair of {min(unknown)}; see the gap table")
        chosen = repairs_in(gaps if self.condition is None else gaps.filter(self.condition))
        return chosen if listed is None else chosen & listed


def repairs_in(gaps: pa.Table) -> set[Repair]:
    """Return the repairs in rows of the gap table."""
    columns = (gaps[name].to_pylist() for name in Repair._fields)
    return {Repair(*each) for each in zip(*columns, strict=True)}


def read_selection(only: str | None, where: str | None, kind: str | None) -> Selection:
    """Read the criteria of a selection.

    Args:
        only: URI of decisions, whose `undo` choose.
        where: a condition.
        kind: of damage.

    Raises:
        UsageError: one of them cannot be used, or the decisions choose nothing.
    """
    condition = None if where is None else parse_condition("--where", where)
    if kind is not None:
        if kind not in KINDS:
            raise UsageError(f"--kind {kind}: no such kind; there are {', '.join(KINDS)}")
        of_kind = pc.field("kind") == kind
        condition = of_kind if condition is None else condition & of_kind
    decided = None if only is None else {name: _undone(each) for name, each in read_decisions("--only", only).items()}
    if decided is not None and not any(decided.values()):
        raise UsageError(f"--only {only}: none of its decisions is {UNDO}; other methods are for restore --decisions")
    return Selection(decided, condition)


def _undone(decided: Decided) -> set[Repair]:
    return {repair for repair, decision in decided.items() if decision == UNDO}
