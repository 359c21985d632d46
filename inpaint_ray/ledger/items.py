"""Items of a job, and which of them earlier runs have done.

`Past` collects the entries that earlier runs left in records, and splits the items of this run into those left to do
and those that are done: whose latest entry has the item's fingerprint, and whose output files are intact.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from inpaint_ray.ledger.records import Entry
from inpaint_ray.version import VERSION

# Record -> names of the items whose entries in it count: those of other items are superseded, or of files that are
# gone from the input; None: all entries count.
Chosen = dict[str, list[str] | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """An item of a job: a file to work on."""

    uri: str
    name: str  # unique in the job
    size: int  # bytes
    etag: str = ""  # of its bytes
    fingerprint: str  # of all that decides its result, its bytes included
    attempt: int = 1
    earlier: str = ""  # the record with the entry of an earlier attempt, the latest; "" if there is none
    replaces: str = ""  # the output of that attempt, to be deleted if this one writes under another name
    replaces_beside: str = ""  # the second file of that attempt, likewise

    def entry(self, **values: Any) -> Entry:
        """Return the item's entry of this attempt."""
        whole: dict[str, Any] = {"name": self.name, "fingerprint": self.fingerprint, "attempt": self.attempt}
        return Entry(**whole | values)


@dataclass(frozen=True, slots=True)
class PastEntry:
    """An item's entry of an earlier run without its row, and the record that holds it."""

    record: str
    attempt: int
    fingerprint: str
    failed: bool
    output: str
    output_size: int
    beside: str = ""
    beside_size: int = 0

    @property
    def written(self) -> list[tuple[str, int]]:
        """Return names and sizes of the item's output files."""
        pairs = ((self.output, self.output_size), (self.beside, self.beside_size))
        return [pair for pair in pairs if pair[0]]

    def is_later(self, other: "PastEntry") -> bool:
        """Return True if this entry counts and another of the item does not.

        That of the later attempt counts; if two runs at once made the same attempt, that of the run that wrote output.
        """
        return (self.attempt, bool(self.output), self.record) > (other.attempt, bool(other.output), other.record)


@dataclass(frozen=True)
class Past:
    """Results of earlier runs: the latest entry of each item, and the files in the output."""

    latest: dict[str, PastEntry] = field(default_factory=dict)  # by name of the item
    entries: Counter[str] = field(default_factory=Counter)  # number of entries in each record
    outputs: dict[str, int] = field(default_factory=dict)  # name -> bytes of each file
    superseded: dict[tuple[str, int], str] = field(default_factory=dict)  # file of an older entry, bytes -> its item

    def add(self, name: str, entry: PastEntry) -> None:
        """Add an item's entry; entries may come in any order."""
        self.entries[entry.record] += 1
        other = self.latest.setdefault(name, entry)
        if other is entry:  # the item's first
            return
        latest, older = (entry, other) if entry.is_later(other) else (other, entry)
        if older.attempt == latest.attempt and older.fingerprint != latest.fingerprint:
            latest = replace(latest, fingerprint="")  # two runs at once: the output may be either one's; do it again
        for output, size in older.written:
            if output not in (latest.output, latest.beside):
                self.superseded[output, size] = name
        self.latest[name] = latest

    def split(self, items: Iterable[Item], *, retry_failed: bool) -> tuple[list[Item], Chosen]:
        """Split items into those left to do, each as its next attempt, and those that are done, by their records."""
        todo: list[Item] = []
        done: dict[str, list[str]] = defaultdict(list)
        for item in items:
            entry = self.latest.get(item.name)
            if entry is None:
                todo.append(item)
            elif self.is_done(item, retry_failed=retry_failed):
                done[entry.record].append(item.name)
            else:
                todo.append(self._next_attempt(item, entry))
        todo = _keep_outputs_of_others(todo, done)
        return todo, {name: None if len(names) == self.entries[name] else names for name, names in done.items()}

    def is_done(self, item: Item, *, retry_failed: bool) -> bool:
        """Return True if the item's latest entry is of its fingerprint, and either failed or has its files intact."""
        entry = self.latest.get(item.name)
        if entry is None or entry.fingerprint != item.fingerprint or (entry.failed and retry_failed):
            return False
        return entry.failed or self._is_intact(entry)

    def leftovers(self) -> list[str]:
        """Return files of older entries that the latest ones have replaced under another name."""
        latest = self.latest.values() if self.superseded else ()
        written = {output for entry in latest for output, _ in entry.written}
        return [
            output
            for (output, size), name in self.superseded.items()
            if output not in written and self.outputs.get(output) == size and self._is_intact(self.latest[name])
        ]

    def _is_intact(self, entry: PastEntry) -> bool:
        """Return True if an attempt succeeded, and all files that it wrote are there in their sizes."""
        return not entry.failed and all(self.outputs.get(output) == size for output, size in entry.written)

    def _next_attempt(self, item: Item, entry: PastEntry) -> Item:
        """Return an item as its next attempt.

        The number between is that of the note that the entry no longer holds, which is written when the attempt begins
        (`Worker._begin`).
        """
        return replace(
            item,
            attempt=entry.attempt + 2,
            earlier=entry.record,
            replaces=entry.output if self.outputs.get(entry.output) == entry.output_size else "",
            replaces_beside=entry.beside if self.outputs.get(entry.beside) == entry.beside_size else "",
        )


def _keep_outputs_of_others(todo: list[Item], done: dict[str, list[str]]) -> list[Item]:
    """Return the items to do, none of which deletes a file that has the name of another item by now."""
    if not any(item.replaces or item.replaces_beside for item in todo):
        return todo
    names = {item.name for item in todo}.union(*done.values())
    kept = []
    for item in todo:
        if item.replaces != item.name and item.replaces in names:
            item = replace(item, replaces="")
        if item.replaces_beside in names:
            item = replace(item, replaces_beside="")
        kept.append(item)
    return kept


def digest(chosen: Chosen, other: object = None) -> str:
    """Return a digest of all that a view is made from: the entries that count, and other JSON values."""
    ordered = [[name, None if counting is None else sorted(counting)] for name, counting in sorted(chosen.items())]
    return hashlib.sha256(json.dumps([ordered, other]).encode()).hexdigest()


def fingerprint(settings: object) -> str:
    """Return a digest of settings (JSON values) and of this version of the package."""
    return hashlib.sha256(json.dumps([VERSION, settings]).encode()).hexdigest()[:16]
