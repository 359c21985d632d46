"""The ledger of a job: what its records say of each item, and the run that does what is left.

A run lists the output once, reads all entries in parallel, and deals to blocks the items whose latest entry is not of
the same fingerprint or whose output does not stand. The driver sees names and counts; rows stay in the records. Every
table of results is a view of the records, which can be made again at any time.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from typing import Any, ClassVar, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from inpaint_ray import storage
from inpaint_ray.errors import StorageError
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.ledger.blocks import deal
from inpaint_ray.ledger.claims import claim
from inpaint_ray.ledger.records import Entry, RecordWriter, open_rows, read_entries, write_record
from inpaint_ray.ledger.spread import spread, spread_tables
from inpaint_ray.progress import Progress
from inpaint_ray.version import VERSION

READERS = 16  # records at a time, in a task
MOST_RECORDS = 500  # in a task that reads them
FEWEST_TASKS = 16

Chosen = dict[str, list[str] | None]  # record -> names of the items whose entries in it count; None: all
MakeTable = Callable[["Ledger", str, list[str] | None], pa.Table]
LATEST = pa.schema(
    {
        "name": pa.string(),
        "record": pa.string(),
        "attempt": pa.int64(),
        "fingerprint": pa.string(),
        "failed": pa.bool_(),
        "output": pa.string(),
        "output_size": pa.int64(),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A file that is to be worked on."""

    uri: str
    name: str  # which no other item of the job has
    size: int  # bytes
    etag: str = ""  # of its bytes
    fingerprint: str  # of all that decides its result, its bytes included
    attempt: int = 1
    earlier: str = ""  # the record with the entry of the attempt before

    def entry(self, **values: Any) -> Entry:
        """Return the item's entry of this attempt."""
        whole: dict[str, Any] = {"name": self.name, "fingerprint": self.fingerprint, "attempt": self.attempt}
        return Entry(**whole | values)


AnyItem = TypeVar("AnyItem", bound=Item)


class Work(Protocol):
    """What is done with an item; made once in each actor."""

    item: ClassVar[type[Item]]
    schema: ClassVar[pa.Schema]  # of the rows that it adds to a record; their `name` is the item's

    def __call__(self, item: Any, earlier: Entry | None, record: RecordWriter, /) -> Entry:
        """Do one item: write its output, if it has one, add its rows to the record, and return its entry.

        Args:
            item: of the type above.
            earlier: what the attempt before came to.
            record: of the item's block.
        """


@dataclass(frozen=True, slots=True)
class Known:
    """An item's latest entry without its row, and where it is."""

    record: str
    attempt: int
    fingerprint: str
    failed: bool
    output: str
    output_size: int

    def is_later(self, other: "Known") -> bool:
        return (self.attempt, self.record) > (other.attempt, other.record)


@dataclass(frozen=True)
class Past:
    """What stands in the output."""

    known: dict[str, Known] = field(default_factory=dict)  # by name of the item
    entries: Counter[str] = field(default_factory=Counter)  # in each record
    outputs: dict[str, int] = field(default_factory=dict)  # name -> bytes of each file

    def is_done(self, item: Item, *, retry_failed: bool) -> bool:
        known = self.known.get(item.name)
        if known is None or known.fingerprint != item.fingerprint or (known.failed and retry_failed):
            return False
        return known.failed or not known.output or self.outputs.get(known.output) == known.output_size

    def split(self, items: Iterable[Item], *, retry_failed: bool) -> tuple[list[Item], Chosen]:
        """Tell the items that are left, each as its next attempt, from those whose entries count."""
        todo: list[Item] = []
        done: dict[str, list[str]] = defaultdict(list)
        for item in items:
            known = self.known.get(item.name)
            if known is None:
                todo.append(item)
            elif self.is_done(item, retry_failed=retry_failed):
                done[known.record].append(item.name)
            else:
                todo.append(replace(item, attempt=known.attempt + 2, earlier=known.record))  # one between: `_begin`
        return todo, {name: None if len(names) == self.entries[name] else names for name, names in done.items()}


@dataclass(frozen=True)
class Ledger:
    """All records of a job in its output."""

    output: str  # URI
    folder: str  # of the job below it, such as _restore

    @property
    def records(self) -> str:
        return storage.join(self.output, self.folder, "records")

    def claim(self, flag: str, made_from: dict[str, str]) -> None:
        """Mark the output as this job's (see `claims.claim`)."""
        claim(flag, self.output, self.folder, made_from)

    def read(self) -> Past:
        """Read what earlier runs left, and delete what killed ones had begun to write; nobody may be at work there.

        Files of an attempt that a later one replaced under another name are deleted, too.
        """
        prefix = f"{self.folder}/records/"
        past, records, seen = Past(), [], set[str]()
        for file in storage.list_files(self.output):
            if storage.UNFINISHED.search(file.name):
                storage.delete_file(file.uri)
            elif file.name.startswith(prefix):
                records.append(file.name.removeprefix(prefix).removesuffix(".parquet"))
            else:
                past.outputs[file.name] = file.size
        for table in self.tables(dict.fromkeys(records), _latest):
            for row in table.to_pylist():
                name, known = row.pop("name"), Known(**row)
                past.entries[known.record] += 1
                seen.add(known.output)
                if name not in past.known or known.is_later(past.known[name]):
                    past.known[name] = known
        for name in (seen - {known.output for known in past.known.values()}) & past.outputs.keys():
            storage.delete_file(storage.join(self.output, name))
        return past

    def complete(
        self, items: Sequence[Item], work: Callable[..., Work], *, retry_failed: bool, verb: str, unit: str, **how: Any
    ) -> Chosen:
        """Do what is left of the items (see `run`), and return what counts of all records."""
        todo, done = self.read().split(items, retry_failed=retry_failed)
        if done:
            print(f"{verb}  {len(items) - len(todo)} of {len(items)} {unit} are done already", flush=True)
        return done | self.run(todo, work, verb=verb, unit=unit, **how)

    def run(
        self,
        todo: Sequence[Item],
        work: Callable[..., Work],
        *,
        verb: str,
        unit: str,
        actors: Actors,
        memory_gib: float,
        **settings: Any,
    ) -> Chosen:
        """Do the items over the cluster.

        Args:
            todo: those that are left.
            work: is made in each actor, with the settings.
            verb: of the lines of progress.
            unit: of items in them.
            actors: how many.
            memory_gib: of an actor.
            settings: of the work.

        Returns:
            The records, all of whose entries count.
        """
        if not todo:
            return {}
        rows = deal_rows(todo)
        results = spread(
            rows,
            Worker,
            use_gpu=actors.use_gpu,
            fn_constructor_kwargs={"ledger": self, "work": work, "settings": settings},
            **actors.pool(len(rows), memory_gib=memory_gib),
        )
        progress = Progress(verb, len(todo), unit)
        num_failed = 0
        for result in results:
            num_failed += result["failed"]
            progress.add(result["items"], f"{num_failed} failed" if num_failed else "")
        storage.delete_unfinished(self.output)  # of nodes that died
        return {row["record"]: None for row in rows}

    def entries(self, record: str, counting: list[str] | None) -> list[Entry]:
        """Read the entries of a record, of these items only, where they are named."""
        names = None if counting is None else set(counting)
        return [entry for entry in read_entries(self.records, record) if names is None or entry.name in names]

    def tables(self, chosen: Chosen, make: MakeTable) -> Iterator[pa.Table]:
        """Make tables from records, over the cluster: the views that results are.

        Args:
            chosen: which records, and what counts in them.
            make: a table from the ledger, and one record and what counts in it.
        """
        ordered = sorted(chosen.items())
        size = min(max(len(ordered) // FEWEST_TASKS, 1), MOST_RECORDS)
        groups = [ordered[start : start + size] for start in range(0, len(ordered), size)]
        return spread_tables([{"records": json.dumps(group)} for group in groups], partial(_make_tables, self, make))

    def rows(self, chosen: Chosen, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows of the items that count, over the cluster."""
        return self.tables(chosen, partial(_read_rows, columns=columns))


class Worker:
    """Does blocks of items and leaves a record of each; the state of a Ray Data actor."""

    def __init__(self, ledger: Ledger, work: Callable[..., Work], settings: dict[str, Any]) -> None:
        self.ledger, self.work = ledger, work(**settings)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        items = items_of(row, self.work.item)
        earlier = self._read_earlier(items)
        self._begin(row["record"], items, earlier)
        with write_record(self.ledger.records, row["record"], self.work.schema) as record:
            for item in items:
                record.entries.append(self.work(item, earlier.get(item.name), record))
        for entry in record.entries:
            self._forget(entry, earlier.get(entry.name))
        failed = sum(entry.failed for entry in record.entries)
        return {"record": row["record"], "items": len(items), "failed": failed}

    def _read_earlier(self, items: list[Item]) -> dict[str, Entry]:
        """Read what the attempts before came to: name of the item -> entry."""
        records: dict[str, list[str]] = defaultdict(list)
        for item in items:
            if item.earlier:
                records[item.earlier].append(item.name)
        return {entry.name: entry for each in records.items() for entry in self.ledger.entries(*each)}

    def _begin(self, record: str, items: list[Item], earlier: dict[str, Entry]) -> None:
        """Note, before outputs of earlier attempts are replaced, that their entries do not hold any more."""
        begun = [
            replace(earlier[item.name], fingerprint="", attempt=item.attempt - 1)
            for item in items
            if item.name in earlier and earlier[item.name].output
        ]
        if begun:
            with write_record(self.ledger.records, f"{record}-begun", self.work.schema) as writer:
                writer.entries += begun

    def _forget(self, entry: Entry, earlier: Entry | None) -> None:
        """Delete what an earlier attempt wrote for an item under another name."""
        if earlier is not None and earlier.output not in ("", entry.output):
            with suppress(FileNotFoundError):
                storage.delete_file(storage.join(self.ledger.output, earlier.output))


def digest(chosen: Chosen, other: object = None) -> str:
    """Return a digest of what counts, and of what else a view shows: views with the same one are the same."""
    ordered = [[name, None if counting is None else sorted(counting)] for name, counting in sorted(chosen.items())]
    return hashlib.sha256(json.dumps([ordered, other]).encode()).hexdigest()


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


def fingerprint(settings: object) -> str:
    """Return a digest of settings (JSON values) and of this version of the package."""
    return hashlib.sha256(json.dumps([VERSION, settings]).encode()).hexdigest()[:16]


def _make_tables(ledger: Ledger, make: MakeTable, rows: pa.Table) -> pa.Table:
    """Make the table of a group of records; runs in a task."""
    groups = [group for text in rows["records"].to_pylist() for group in json.loads(text)]
    with ThreadPoolExecutor(READERS) as pool:
        return pa.concat_tables(pool.map(lambda group: make(ledger, *group), groups))


def _read_rows(ledger: Ledger, record: str, counting: list[str] | None, *, columns: list[str] | None) -> pa.Table:
    with open_rows(ledger.records, record) as file:
        table = file.read(columns)
    return table if counting is None else table.filter(pc.is_in(table["name"], pa.array(counting, pa.string())))


def _latest(ledger: Ledger, record: str, counting: list[str] | None) -> pa.Table:
    """Return what `Known` keeps of a record's entries; of a damaged one nothing, so that its items are done again."""
    try:
        entries = ledger.entries(record, counting)
    except StorageError as error:
        print(error, flush=True)
        return LATEST.empty_table()
    return pa.Table.from_pylist([{"record": record} | asdict(entry) for entry in entries], LATEST)
