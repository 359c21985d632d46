"""Items of a job, and their results of earlier runs."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from inpaint_ray.ledger.records import Entry
from inpaint_ray.version import VERSION

Chosen = dict[str, list[str] | None]  # record -> names of the items whose entries in it count; None: all


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """An item of a job: a file to work on."""

    uri: str
    name: str  # unique in the job
    size: int  # bytes
    etag: str = ""  # of its bytes
    fingerprint: str  # of all that decides its result, its bytes included
    attempt: int = 1
    earlier: str = ""  # the record with the entry of the attempt before
    replaces: str = ""  # name of what that wrote, to be deleted if this attempt writes under another name
    replaces_beside: str = ""  # the same of the second file that it wrote

    def entry(self, **values: Any) -> Entry:
        """Return the item's entry of this attempt."""
        whole: dict[str, Any] = {"name": self.name, "fingerprint": self.fingerprint, "attempt": self.attempt}
        return Entry(**whole | values)


@dataclass(frozen=True, slots=True)
class Known:
    """An item's latest entry without its row, and the record that holds it."""

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

    def is_later(self, other: "Known") -> bool:
        """Return True if this entry replaces another; of one attempt in two runs, the one that wrote output does."""
        return (self.attempt, bool(self.output), self.record) > (other.attempt, bool(other.output), other.record)


@dataclass(frozen=True)
class Past:
    """Results of earlier runs: the latest entry of each item, and the files in the output."""

    known: dict[str, Known] = field(default_factory=dict)  # by name of the item
    entries: Counter[str] = field(default_factory=Counter)  # in each record
    outputs: dict[str, int] = field(default_factory=dict)  # name -> bytes of each file
    replaced: dict[tuple[str, int], str] = field(default_factory=dict)  # output of a former entry, bytes -> item

    def add(self, name: str, known: Known) -> None:
        """Add an item's entry; entries may come in any order."""
        self.entries[known.record] += 1
        other = self.known.setdefault(name, known)
        if other is not known:
            latest, former = (known, other) if known.is_later(other) else (other, known)
            if former.attempt == latest.attempt and former.fingerprint != latest.fingerprint:
                latest = replace(latest, fingerprint="")  # either output may be in place
            for output, size in former.written:
                if output not in (latest.output, latest.beside):
                    self.replaced[output, size] = name
            self.known[name] = latest

    def leftovers(self) -> list[str]:
        """Return files of earlier attempts that a later one has replaced under another name."""
        known = self.known.values() if self.replaced else ()
        written = {output for each in known for output, _ in each.written}
        return [
            output
            for (output, size), name in self.replaced.items()
            if output not in written and self.outputs.get(output) == size and self._stands(self.known[name])
        ]

    def is_done(self, item: Item, *, retry_failed: bool) -> bool:
        known = self.known.get(item.name)
        if known is None or known.fingerprint != item.fingerprint or (known.failed and retry_failed):
            return False
        return known.failed or self._stands(known)

    def _stands(self, known: Known) -> bool:
        return not known.failed and all(self.outputs.get(output) == size for output, size in known.written)

    def split(self, items: Iterable[Item], *, retry_failed: bool) -> tuple[list[Item], Chosen]:
        """Split items into those left to do, each as its next attempt, and those whose entries count."""
        todo: list[Item] = []
        done: dict[str, list[str]] = defaultdict(list)
        for item in items:
            known = self.known.get(item.name)
            if known is None:
                todo.append(item)
            elif self.is_done(item, retry_failed=retry_failed):
                done[known.record].append(item.name)
            else:
                todo.append(
                    replace(
                        item,
                        attempt=known.attempt + 2,  # one between is noted when this one begins
                        earlier=known.record,
                        replaces=known.output if self.outputs.get(known.output) == known.output_size else "",
                        replaces_beside=known.beside if self.outputs.get(known.beside) == known.beside_size else "",
                    )
                )
        if any(item.replaces for item in todo):  # a name that is another item's by now is left to that item
            names = {item.name for item in todo}.union(*done.values())
            taken = [item.replaces != item.name and item.replaces in names for item in todo]
            todo = [
                replace(item, replaces="") if is_taken else item for item, is_taken in zip(todo, taken, strict=True)
            ]
        if any(item.replaces_beside for item in todo):
            names = {item.name for item in todo}.union(*done.values())
            todo = [replace(item, replaces_beside="") if item.replaces_beside in names else item for item in todo]
        return todo, {name: None if len(names) == self.entries[name] else names for name, names in done.items()}


def digest(chosen: Chosen, other: object = None) -> str:
    """Return a digest of the entries that count and of other content of a view; equal digests mean equal views."""
    ordered = [[name, None if counting is None else sorted(counting)] for name, counting in sorted(chosen.items())]
    return hashlib.sha256(json.dumps([ordered, other]).encode()).hexdigest()


def fingerprint(settings: object) -> str:
    """Return a digest of settings (JSON values) and of this version of the package."""
    return hashlib.sha256(json.dumps([VERSION, settings]).encode()).hexdigest()[:16]
