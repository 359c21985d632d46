"""The gap table, OUTPUT/_restore/gaps.parquet: a view of the ledger's records, which also hold the original samples.

A gap longer than a piece (see `pieces`) has several rows, one after the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from inpaint_ray import storage
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import open_rows, record_uri
from inpaint_ray.names import printable
from inpaint_ray.restore.manifest import FOLDER
from inpaint_ray.terminal import say

GAPS = f"{FOLDER}/gaps.parquet"

SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "channel": pa.int32(),
        "start": pa.int64(),
        "stop": pa.int64(),
        "kind": pa.string(),
        "confidence": pa.float64(),
        "start_s": pa.float64(),
        "seconds": pa.float64(),
        "method": pa.string(),
        "expected_snr_db": pa.float64(),
        "trust": pa.string(),
        "copy": pa.string(),
        "copy_start_s": pa.float64(),
        "match_before_db": pa.float64(),
        "match_after_db": pa.float64(),
        "level_before_db": pa.float64(),
        "level_after_db": pa.float64(),
        "decision": pa.string(),
        "dtype": pa.string(),
        "replaced": pa.large_binary(),
    }
)
TABLE_COLUMNS = [name for name in SCHEMA.names if name not in ("dtype", "replaced")]  # these stay in the records
TABLE_SCHEMA = pa.schema([SCHEMA.field(name) for name in TABLE_COLUMNS])


@dataclass(frozen=True)
class FilledGap:
    """A row of the gap table: the repair of a gap, or of a part of one."""

    name: str  # of the file, relative to the input
    channel: int  # from 0
    start: int  # samples
    stop: int  # one past the last
    kind: str  # of the damage: see `audio.runs.Kind`
    confidence: float  # the chance that it is real, 0 to 1
    start_s: float
    seconds: float
    method: str
    level_before_db: float  # RMS of the gap as it came, full scale 0 dB; minus infinity for digital silence
    level_after_db: float  # RMS of what it was filled with
    dtype: str  # of the replaced samples; integers are left-justified in 32 bits
    replaced: bytes  # the samples that were there, in the output's own format
    expected_snr_db: float | None = None  # of the fill; None where nothing tells
    trust: str = ""  # the same in a word: sure, likely or guess
    decision: str = ""  # of a person: keep, undo or a method; "" where there was none
    copy: str = ""  # name of the copy that it was taken from; two joined by " + "; "" of what was filled
    copy_start_s: float | None = None  # in the copy
    match_before_db: float | None = None  # SNR of the copy before the gap; 120 where they are equal bit for bit
    match_after_db: float | None = None


def write_gaps(ledger: Ledger, manifest: pa.Table) -> None:
    """Write the table of the gaps of all files of a manifest from the records that have them, some MiB at a time."""
    with_gaps = manifest.filter(pc.greater(manifest["gap_rows"], 0)).group_by("record").aggregate([("name", "list")])
    chosen = dict(zip(with_gaps["record"].to_pylist(), with_gaps["name_list"].to_pylist(), strict=True))
    for record in chosen.keys() - ledger.list_records():  # those of earlier results of files that have failed since
        names = chosen.pop(record)
        listed = ", ".join(map(printable, names))
        say(f"{record_uri(ledger.records, record)}: missing; the gaps of {listed} cannot be undone")
    with (
        storage.open_output(storage.join(ledger.output, GAPS)) as stream,
        pq.ParquetWriter(stream, TABLE_SCHEMA, compression="zstd") as writer,
    ):
        for table in ledger.rows(chosen, TABLE_COLUMNS):
            writer.write_table(table)


def read_gaps(ledger: Ledger, record: str, names: set[str], columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Read the gaps of some files of a record, some MiB at a time; those of one file come in order of their start."""
    with open_rows(ledger.records, record) as file:
        for group in range(file.num_row_groups):
            found = file.metadata.row_group(group).column(0).statistics  # none of very long names
            if found is None or not found.has_min_max or any(found.min <= name <= found.max for name in names):
                table = file.read_row_group(group, columns)
                yield table.filter(pc.is_in(table["name"], value_set=pa.array(sorted(names), pa.string())))
