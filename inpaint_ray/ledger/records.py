"""Records: what a block of a job leaves, whole or not at all.

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
TAIL_BYTES = 2**16  # that hold most footers
GROUP_BYTES = 2**23  # of a row group
ROW_BYTES = 200  # of a row, about, beside its binary values


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What became of an item."""

    name: str  # of the item, which no other has
    fingerprint: str  # of all that decides the result; "" where no later run may rely on it
    attempt: int = 1  # the latest one counts
    failed: bool = False
    output: str = ""  # name below the job's output of the file that must stand; "" where there is none
    output_size: int = 0  # bytes
    row: dict[str, Any] = field(default_factory=dict)  # the job's own; JSON values


class RecordWriter:
    """Takes the rows and entries of a record, and holds some MiB of them at a time."""

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
    """Write a record, which appears when the block ends without an error.

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
    """Return where a record lies."""
    return storage.join(folder, f"{name}.parquet")


def read_entries(folder: str, name: str) -> list[Entry]:
    """Read the entries of a record.

    Raises:
        FileNotFoundError: there is no such record.
        StorageError: it is damaged.
    """
    uri = record_uri(folder, name)
    footer = read_footer(uri)
    if footer is None:
        raise StorageError(f"{uri}: damaged, or no record; its items are done again when the job runs again")
    return [Entry(**entry) for entry in json.loads(footer)]


@contextmanager
def open_rows(folder: str, name: str) -> Iterator[pq.ParquetFile]:
    """Open a record to read its rows."""
    with storage.local_file(record_uri(folder, name)) as path, pq.ParquetFile(path) as file:
        yield file


def read_footer(uri: str) -> bytes | None:
    """Return our entry in a Parquet file's footer, in one request for most; None where it has none.

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
