"""Records: the results of a block of items, written whole or not at all.

A record is a Parquet file. Its rows belong to the items of the block (gaps and what was in them, scores, patches); its
footer has an entry for each item. Records are never changed or deleted. Of several entries of an item, that of the
latest attempt counts.
"""

import json
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from inpaint_ray import storage
from inpaint_ray.errors import StorageError

FOOTER_KEY = b"inpaint_ray"
MAGIC = b"PAR1"  # begins and ends a Parquet file; before the end are the footer and its length in four bytes
TAIL_BYTES = 2**16  # enough for most footers
GROUP_BYTES = 2**23  # of a row group
ROW_BYTES = 200  # of a row, about, beside its binary values


class DamagedRecord(StorageError):
    """A record that is damaged or gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """The outcome of one attempt at an item."""

    name: str  # of the item, which no other has
    fingerprint: str  # of all that decides the result; "" where no later run may rely on it
    attempt: int = 1  # the latest one counts
    failed: bool = False
    output: str = ""  # name below the job's output of the file that must stand; "" where there is none
    output_size: int = 0  # bytes
    beside: str = ""  # name of a second file that must stand with it; "" where there is none
    beside_size: int = 0  # bytes
    row: dict[str, Any] = field(default_factory=dict)  # the job's own; JSON values


class RecordWriter:
    """A writer of the rows and entries of a record, which holds some MiB of rows at a time."""

    def __init__(self, name: str, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self.name = name  # of the record
        self.entries: list[Entry] = []
        self._writer, self._schema = writer, schema
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        self._bytes += ROW_BYTES + sum(len(value) for value in row.values() if isinstance(value, bytes))
        if self._bytes > GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows, self._bytes = [], 0


@contextmanager
def write_record(folder: str, name: str, schema: pa.Schema) -> Iterator[RecordWriter]:
    """Write a record, which appears when the context ends without an error.

    Args:
        folder: URI of the records.
        name: of this one.
        schema: of its rows.
    """
    with tempfile.TemporaryDirectory(prefix="inpaint-") as temporary:
        path = Path(temporary, "record.parquet")
        with pq.ParquetWriter(path, schema, compression="zstd") as parquet:
            writer = RecordWriter(name, parquet, schema)
            yield writer
            writer.flush()
            footer = json.dumps([asdict(entry) for entry in writer.entries])
            parquet.add_key_value_metadata({FOOTER_KEY: footer.encode()})
        storage.put_file(path, record_uri(folder, name))


def record_uri(folder: str, name: str) -> str:
    """Return the URI of a record."""
    return storage.join(folder, f"{name}.parquet")


def read_entries(folder: str, name: str, counting: list[str] | None = None) -> list[Entry]:
    """Read the entries of a record, or those of the named items alone.

    Raises:
        FileNotFoundError: there is no such record.
        DamagedRecord: its footer is damaged.
        StorageError: it cannot be reached.
    """
    uri, names = record_uri(folder, name), None if counting is None else set(counting)
    footer = read_footer(uri)
    try:
        entries = [Entry(**entry) for entry in json.loads(footer or b"")]
    except (TypeError, ValueError) as error:
        text = f"{uri}: damaged, or no record; its items are done again"
        raise DamagedRecord(text) from error
    return [entry for entry in entries if names is None or entry.name in names]


@contextmanager
def open_rows(folder: str, name: str) -> Iterator[pq.ParquetFile]:
    """Open a record in storage to read some of its rows.

    Raises:
        DamagedRecord: it is gone, or its rows are damaged.
        StorageError: it cannot be reached.
    """
    uri = record_uri(folder, name)
    filesystem, path = storage.locate(uri)
    try:
        with filesystem.open_input_file(path) as stream, pq.ParquetFile(stream) as file:
            yield file
    except FileNotFoundError as error:
        raise DamagedRecord(f"{uri}: missing; run the job again: the record's items are done again") from error
    except (pa.ArrowException, OSError) as error:  # of damage as of a broken network
        _check_whole(uri)
        raise StorageError(f"{uri}: storage refuses: {' '.join(str(error).split())}") from error


def _check_whole(uri: str) -> None:
    """Check that a record's bytes are sound.

    Raises:
        DamagedRecord: it cannot.
    """
    data = storage.read_bytes(uri)
    try:
        pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        text = f"{uri}: damaged; delete it and run the job again: the record's items are done again"
        raise DamagedRecord(text) from error


def read_footer(uri: str) -> bytes | None:
    """Read our entry in a Parquet file's footer, mostly in one request; None where it has none.

    Raises:
        FileNotFoundError: there is no such file.
    """
    tail = storage.read_tail(uri, TAIL_BYTES)
    length, magic = struct.unpack("<I4s", tail[-8:].rjust(8))
    if magic != MAGIC:
        return None
    if length + 8 > len(tail):
        tail = storage.read_tail(uri, length + 8)
    try:
        metadata = pq.read_metadata(pa.BufferReader(MAGIC + tail[-length - 8 :])).metadata
    except (pa.ArrowException, OSError, ValueError):
        return None
    return (metadata or {}).get(FOOTER_KEY)
