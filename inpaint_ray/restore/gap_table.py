"""OUTPUT/_restore/gaps.parquet: every gap of every file with what was there, so that each change can be undone.

A gap longer than a piece (see `pieces`) has several rows, one after the other.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from inpaint_ray import storage
from inpaint_ray.restore.manifest import FOLDER, ManifestRow, file_gaps_uri

GAPS = f"{FOLDER}/gaps.parquet"
GROUP_BYTES = 2**23  # of a row group
ROW_BYTES = 200  # of a row, about, beside its samples

SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "channel": pa.int32(),
        "start": pa.int64(),
        "stop": pa.int64(),
        "start_s": pa.float64(),
        "seconds": pa.float64(),
        "method": pa.string(),
        "level_before_db": pa.float64(),
        "level_after_db": pa.float64(),
        "dtype": pa.string(),
        "replaced": pa.large_binary(),
    }
)


@dataclass(frozen=True)
class FilledGap:
    """What was done to a gap, or to a part of a long one."""

    name: str  # of the file, relative to the input
    channel: int  # from 0
    start: int  # samples
    stop: int  # one past the last
    start_s: float
    seconds: float
    method: str
    level_before_db: float  # RMS of the gap as it came, full scale 0 dB; minus infinity for digital silence
    level_after_db: float  # RMS of what it was filled with
    dtype: str  # of the replaced samples; integers are left-justified in 32 bits
    replaced: bytes  # the samples that were there, in the output's own format


class GapWriter:
    """Writes a table of gaps, holding some MiB of it at a time."""

    def __init__(self, path: Path) -> None:
        self.num_rows = 0
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._gaps: list[dict[str, Any]] = []
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0

    def add(self, gap: FilledGap) -> None:
        self.num_rows += 1
        self._gaps.append(vars(gap))
        self._count(len(gap.replaced) + ROW_BYTES)

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Rows of another table of gaps."""
        self._batches.append(batch)
        self._count(batch.nbytes)

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _count(self, num_bytes: int) -> None:
        self._bytes += num_bytes
        if self._bytes > GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table = pa.concat_tables(
            [pa.Table.from_batches(self._batches, SCHEMA), pa.Table.from_pylist(self._gaps, SCHEMA)]
        )
        if len(table):
            self._writer.write_table(table, row_group_size=len(table))
        self._gaps, self._batches, self._bytes = [], [], 0


@contextmanager
def gap_writer(path: Path) -> Iterator[GapWriter]:
    writer = GapWriter(path)
    try:
        yield writer
    finally:
        writer.close()


def read_gaps(path: Path, names: set[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a table of gaps, some MiB at a time; of these files only, where they are named.

    Those of one file come in order of their start.
    """
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            found = file.metadata.row_group(group).column(0).statistics
            if names is not None and not any(found.min <= name <= found.max for name in names):
                continue
            table = file.read_row_group(group)
            if names is not None:
                table = table.filter(pc.is_in(table["name"], value_set=pa.array(sorted(names), pa.string())))
            yield from table.to_batches()


def merge_gaps(output: str, rows: list[ManifestRow], unmerged: set[str]) -> None:
    """Write the table of all gaps: the earlier one's, and those of single files.

    Args:
        output: of the restoration.
        rows: every file.
        unmerged: names of those whose gaps, if they have any, are in files of their own.
    """
    changed = {row.name for row in rows if row.gap_rows != 0}
    uri = storage.join(output, GAPS)
    with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        merged = Path(folder, "gaps.parquet")
        with gap_writer(merged) as writer:
            if storage.exists(uri):
                with storage.local_file(uri) as earlier:
                    for batch in read_gaps(earlier, changed - unmerged):
                        writer.add_batch(batch)
            for name in sorted(changed & unmerged):
                with storage.local_file(file_gaps_uri(output, name)) as table:
                    for batch in read_gaps(table):
                        writer.add_batch(batch)
        storage.put_file(merged, uri)
