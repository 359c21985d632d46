"""The ledger of a job: the results of its items, and the run that does what is left.

A run lists the output once, reads the entries of all records in parallel, and deals the items that are not done (see
`items`) to blocks. The driver sees names and counts; rows stay in the records. Every table of results is a view of the
records, which can be made again at any time.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from inpaint_ray import storage
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.ledger.claims import claim
from inpaint_ray.ledger.items import Chosen, Item, Past, PastEntry
from inpaint_ray.ledger.records import DamagedRecord, Entry, open_rows, read_entries
from inpaint_ray.ledger.spread import spread, spread_tables
from inpaint_ray.ledger.worker import Work, Worker, deal_rows
from inpaint_ray.progress import Progress
from inpaint_ray.storage import StoredFile
from inpaint_ray.terminal import say

READERS = 16  # threads that read records, in the driver or in a task
FEW_RECORDS = 64  # no more than these are read by the driver, sooner than a task would have started
FEWEST_TASKS = 16  # that read more
MOST_RECORDS = 100  # that one task reads

# The ledger, a record, and the names of the items that count in it (None: all) -> a table of them.
MakeTable = Callable[["Ledger", str, list[str] | None], pa.Table]

ENTRY_SCHEMA = pa.schema(  # an item's name, and the fields of `PastEntry`
    {
        "name": pa.string(),
        "record": pa.string(),
        "attempt": pa.int64(),
        "fingerprint": pa.string(),
        "failed": pa.bool_(),
        "output": pa.string(),
        "output_size": pa.int64(),
        "beside": pa.string(),
        "beside_size": pa.int64(),
    }
)


@dataclass(frozen=True)
class Ledger:
    """All records of a job in its output."""

    output: str  # URI
    folder: str  # of the job below it, such as _restore

    @property
    def records(self) -> str:
        return storage.join(self.output, self.folder, "records")

    def claim(self, flag: str, made_from: dict[str, str]) -> None:
        """Claim the output for this job (see `claims.claim`)."""
        claim(flag, self.output, self.folder, made_from)

    def read(self, files: Iterable[StoredFile] | None = None) -> Past:
        """Read the results of earlier runs, and delete unfinished files of killed ones; no other run may be under way.

        Files of an attempt that a later one replaced under another name are deleted, too.

        Args:
            files: of the output; they are listed where they are not given.

        Raises:
            StorageError: a record cannot be reached: what it says cannot be known.
        """
        prefix = f"{self.folder}/records/"
        past, records = Past(), []
        for file in storage.list_files(self.output) if files is None else files:
            if storage.UNFINISHED.search(file.name):
                storage.delete_file(file.uri)
            elif file.name.startswith(prefix) and file.name.endswith(".parquet"):
                records.append(file.name.removeprefix(prefix).removesuffix(".parquet"))
            else:
                past.outputs[file.name] = file.size
        # Of a million items the same names are held once: the record's, and an output's that is the item's.
        shared = {name: name for name in records}
        for table in self.tables(dict.fromkeys(records), _read_past):
            for row in table.to_pylist():
                name = row.pop("name")
                output = name if row["output"] == name else row["output"]
                past.add(name, PastEntry(**row | {"record": shared[row["record"]], "output": output}))
        for name in past.leftovers():
            storage.delete_file(storage.join(self.output, name))
        return past

    def list_records(self) -> set[str]:
        """List the names of the records."""
        return {file.name.removesuffix(".parquet") for file in storage.list_files(self.records)}

    def complete(
        self,
        items: Sequence[Item],
        work: Callable[..., Work],
        *,
        retry_failed: bool,
        verb: str,
        unit: str,
        **options: Any,
    ) -> Chosen:
        """Do the items that earlier runs left, with the options of `run`; return all entries that count."""
        todo, done = self.read().split(items, retry_failed=retry_failed)
        if done:
            say(f"{verb}  {len(items) - len(todo)} of {len(items)} {unit} are done already")
        return done | self.run(todo, work, verb=verb, unit=unit, **options)

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
            todo: the items.
            work: makes the work on an item from the settings, once in each actor.
            verb: for the lines of progress.
            unit: of the items, in these lines.
            actors: their number and hardware.
            memory_gib: of an actor.
            settings: keyword arguments of `work`.

        Returns:
            The new records, all of whose entries count.
        """
        if not todo:
            return {}
        rows = deal_rows(todo)
        num_items, num_blocks, names = len(todo), len(rows), [row["record"] for row in rows]
        results = spread(
            rows,
            Worker,
            use_gpu=actors.use_gpu,
            fn_constructor_kwargs={"output": self.output, "records": self.records, "work": work, "settings": settings},
            **actors.pool(num_blocks, memory_gib=memory_gib),
        )
        del todo, rows  # large, and in Ray's object store by now
        progress = Progress(verb, num_items, unit)
        num_failed = 0
        for result in results:
            num_failed += result["failed"]
            progress.add(result["items"], f"{num_failed} failed" if num_failed else "")
        storage.delete_unfinished(self.output)  # files of nodes that died
        return dict.fromkeys(names)

    def entries(self, record: str, counting: list[str] | None) -> list[Entry]:
        """Read the entries of a record; of the counting items alone, unless None."""
        return read_entries(self.records, record, counting)

    def tables(self, chosen: Chosen, make: MakeTable) -> Iterator[pa.Table]:
        """Make the tables of a view from records; many records are read over the cluster, few by the driver.

        Args:
            chosen: the records, and the items that count in them.
            make: makes the table of one record.
        """
        ordered = sorted(chosen.items())
        if len(ordered) <= FEW_RECORDS:
            with ThreadPoolExecutor(READERS) as pool:
                return iter(list(pool.map(lambda each: make(self, *each), ordered)))
        size = min(len(ordered) // FEWEST_TASKS, MOST_RECORDS)
        groups = [ordered[start : start + size] for start in range(0, len(ordered), size)]
        return spread_tables([{"records": json.dumps(group)} for group in groups], partial(_make_tables, self, make))

    def rows(self, chosen: Chosen, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows of the items that count, over the cluster."""
        return self.tables(chosen, partial(_read_rows, columns=columns))


def _make_tables(ledger: Ledger, make: MakeTable, rows: pa.Table) -> pa.Table:
    """Make the tables of a group of records; runs in a task."""
    pairs = [pair for text in rows["records"].to_pylist() for pair in json.loads(text)]  # record, items that count
    with ThreadPoolExecutor(READERS) as pool:
        return pa.concat_tables(pool.map(lambda pair: make(ledger, *pair), pairs))


def _read_rows(ledger: Ledger, record: str, counting: list[str] | None, *, columns: list[str] | None) -> pa.Table:
    """Read the rows of the items that count in a record."""
    with open_rows(ledger.records, record) as file:
        table = file.read(columns)
    return table if counting is None else table.filter(pc.is_in(table["name"], pa.array(counting, pa.string())))


def _read_past(ledger: Ledger, record: str, counting: list[str] | None) -> pa.Table:
    """Read the entries of a record as fields of `PastEntry`; none if it is damaged: its items are done again."""
    try:
        entries = ledger.entries(record, counting)
    except DamagedRecord as error:
        say(str(error))
        return ENTRY_SCHEMA.empty_table()
    return pa.Table.from_pylist([{"record": record} | asdict(entry) for entry in entries], ENTRY_SCHEMA)
