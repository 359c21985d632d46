"""Work on a block of items, in an actor or in any process."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, ClassVar, Protocol, TypeVar

import pyarrow as pa

from inpaint_ray import storage
from inpaint_ray.ledger.blocks import deal
from inpaint_ray.ledger.items import Item
from inpaint_ray.ledger.records import DamagedRecord, Entry, RecordWriter, read_entries, write_record

AnyItem = TypeVar("AnyItem", bound=Item)


class Work(Protocol):
    """The work on an item; made once in each actor."""

    item: ClassVar[type[Item]]
    schema: ClassVar[pa.Schema]  # of the rows that it adds to a record; their `name` is the item's

    def __call__(self, item: Any, earlier: Entry | None, record: RecordWriter, /) -> Entry:
        """Do one item: write its output, if it has one, add its rows to the record, and return its entry.

        Args:
            item: of the type above.
            earlier: what the attempt before came to.
            record: of the item's block.
        """


class Worker:
    """A worker: does blocks of items and writes a record of each; the state of a Ray Data actor."""

    def __init__(self, output: str, records: str, work: Callable[..., Work], settings: dict[str, Any]) -> None:
        self.output, self.records, self.work = output, records, work(**settings)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        items = items_of(row, self.work.item)
        entries = self._standing(row["record"]) or self._work(row["record"], items)
        for item, entry in zip(items, entries, strict=True):
            for old in {item.replaces, item.replaces_beside} - {"", entry.output, entry.beside}:
                if not entry.failed:
                    with suppress(FileNotFoundError):
                        storage.delete_file(storage.join(self.output, old))
        return {"record": row["record"], "items": len(items), "failed": sum(entry.failed for entry in entries)}

    def _standing(self, record: str) -> list[Entry]:
        """Read the entries of a block whose record an actor wrote before it died; none where there is no record."""
        try:
            return read_entries(self.records, record)
        except (FileNotFoundError, DamagedRecord):
            return []

    def _work(self, record: str, items: list[Item]) -> list[Entry]:
        earlier = self._read_earlier(items)
        self._begin(record, items, earlier)
        with write_record(self.records, record, self.work.schema) as writer:
            for item in items:
                writer.entries.append(self.work(item, earlier.get(item.name), writer))
        return writer.entries

    def _read_earlier(self, items: list[Item]) -> dict[str, Entry]:
        """Read the entries of earlier attempts by name of the item."""
        records: dict[str, list[str]] = defaultdict(list)
        for item in items:
            if item.earlier:
                records[item.earlier].append(item.name)
        return {entry.name: entry for each in records.items() for entry in read_entries(self.records, *each)}

    def _begin(self, record: str, items: list[Item], earlier: dict[str, Entry]) -> None:
        """Note, before outputs of earlier attempts are replaced, that their entries no longer hold."""
        begun = [
            replace(earlier[item.name], fingerprint="", attempt=item.attempt - 1)
            for item in items
            if item.name in earlier and earlier[item.name].output
        ]
        if begun:
            with write_record(self.records, f"{record}-begun", self.work.schema) as writer:
                writer.entries += begun


def deal_rows(items: Sequence[Item]) -> list[dict[str, str]]:
    """Deal items to blocks, a row of Ray Data each, with the name of its record."""
    return [_to_row(block) for block in deal(items, lambda item: item.size)]


def items_of(row: dict[str, str], kind: type[AnyItem]) -> list[AnyItem]:
    """Return the items of a block."""
    return [kind(**values) for values in json.loads(row["items"])]


def _to_row(block: list[Item]) -> dict[str, str]:
    identity = [[item.name, item.fingerprint, item.attempt] for item in block]
    defaults = {each.name: each.default for each in fields(block[0])}
    items = [
        {name: value for name, default in defaults.items() if (value := getattr(item, name)) != default}
        for item in block
    ]
    return {"record": hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32], "items": json.dumps(items)}
