"""OUTPUT/_restore/manifest.parquet: what became of every file, one row each.

A run may be killed at any moment. The actor that has written a file's output then writes its gaps to
OUTPUT/_restore/rows/KEY.parquet (see `gap_table`) and last its row to KEY.json, each write whole or not at all. Where
an earlier run has restored the file, a row that says it is begun comes first, so that no run takes the earlier row for
that of the new output. The next run reads the manifest and, over it, these rows; a file without a row is done again.

At the end of a run all gaps are merged to one table, then the report and last the manifest are written. Only then the
single files are deleted, rows before gaps: as long as a row stands, its gaps do. The key is a function of the file's
name, so a later row replaces an earlier one.
"""

import hashlib
import io
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.version import VERSION

FOLDER = "_restore"  # below the output; everything but the restored audio
MANIFEST = f"{FOLDER}/manifest.parquet"
RUN = f"{FOLDER}/run.json"  # which archive it is of; written before any output
ROWS = f"{FOLDER}/rows"

Status = Literal["restored", "unchanged", "partly", "failed"]

SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "status": pa.string(),
        "error": pa.string(),
        "seconds": pa.float64(),
        "sample_rate": pa.int32(),
        "channels": pa.int32(),
        "gaps": pa.int64(),
        "samples_replaced": pa.int64(),
        "gap_rows": pa.int64(),
        "longest_gap_s": pa.float64(),
        "source_size": pa.int64(),
        "source_etag": pa.string(),
        "output": pa.string(),
        "output_size": pa.int64(),
        "sha256": pa.string(),
        "method": pa.string(),
        "version": pa.string(),
        "model": pa.string(),
        "settings": pa.string(),
        "wall_s": pa.float64(),
    }
)


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """What became of one file."""

    name: str  # relative to the input
    source_size: int  # bytes
    source_etag: str = ""  # as storage has it; of a local file time of change and size
    method: str
    version: str = VERSION  # of the package
    model: str = ""  # digest of the network; "" without one
    settings: str  # fingerprint of all that decides the result, the source's bytes apart
    status: Status = "failed"
    error: str = ""  # why it failed, or what else should be known
    seconds: float = 0.0
    sample_rate: int = 0  # Hz
    channels: int = 0
    gaps: int = 0  # stretches in which any channel is lost
    samples_replaced: int = 0  # summed over channels
    gap_rows: int | None = 0  # in gaps.parquet: 0 where the output is a copy; None in manifests of an earlier version
    longest_gap_s: float = 0.0
    output: str = ""  # name relative to the output; empty where nothing was written
    output_size: int = 0  # bytes
    sha256: str = ""  # of the output
    wall_s: float = 0.0

    @property
    def filled_s(self) -> float:
        """Seconds of audio that were filled, mean over channels."""
        return self.samples_replaced / (self.sample_rate * self.channels) if self.samples_replaced else 0.0


def name_key(name: str) -> str:
    """What a file's row and excerpts are stored under, whatever characters its name has."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def write_manifest(output: str, rows: list[ManifestRow]) -> None:
    """Write the manifest, in order of name."""
    ordered = sorted(rows, key=lambda row: row.name)
    table = pa.Table.from_pylist([asdict(row) for row in ordered], schema=SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    storage.write_bytes(storage.join(output, MANIFEST), buffer.getvalue())


def read_manifest(output: str) -> list[ManifestRow] | None:
    """The rows of an earlier manifest, or None where there is none.

    Raises:
        UsageError: it is damaged, or not a manifest.
    """
    uri = storage.join(output, MANIFEST)
    try:
        data = storage.read_bytes(uri)
    except FileNotFoundError:
        return None
    try:
        return [ManifestRow(**row) for row in pq.read_table(io.BytesIO(data), schema=SCHEMA).to_pylist()]
    except (pa.ArrowException, OSError, TypeError) as error:
        raise UsageError(f"{uri}: damaged, or not a manifest; delete it to restore every file again") from error


def read_input(output: str) -> str:
    """The URI of the archive that a restoration is of.

    Raises:
        UsageError: the record of it is missing or damaged.
    """
    uri = storage.join(output, RUN)
    try:
        return json.loads(storage.read_bytes(uri))["input"]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{uri}: missing or damaged; run the restoration again") from error


def write_row(output: str, row: ManifestRow) -> None:
    """Note that a file is finished, after its output is written."""
    uri = storage.join(output, ROWS, f"{name_key(row.name)}.json")
    storage.write_bytes(uri, json.dumps(asdict(row)).encode())


def read_rows(output: str) -> list[ManifestRow]:
    """The rows that a killed run left; one that cannot be read, or whose gaps are not there, is left out."""
    uris = {file.uri for file in storage.list_files(storage.join(output, ROWS))}
    with ThreadPoolExecutor(16) as pool:
        rows = [row for row in pool.map(_read_row, _row_uris(uris)) if row is not None]
    return [row for row in rows if not row.gap_rows or file_gaps_uri(output, row.name) in uris]


def delete_rows(output: str) -> None:
    """Delete the single rows, and then their gaps, when the manifest and the table of gaps have them."""
    folder = storage.join(output, ROWS)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(storage.delete_file, _row_uris(file.uri for file in storage.list_files(folder))))
    storage.delete_files(folder)


def file_gaps_uri(output: str, name: str) -> str:
    """Return the URI of one file's table of gaps, which is merged at the run's end."""
    return storage.join(output, ROWS, f"{name_key(name)}.parquet")


def _row_uris(uris: Iterable[str]) -> list[str]:
    return [uri for uri in uris if uri.endswith(".json")]


def _read_row(uri: str) -> ManifestRow | None:
    try:
        values: Any = json.loads(storage.read_bytes(uri))
    except ValueError:
        return None
    names = {field.name for field in fields(ManifestRow)}
    return ManifestRow(**values) if isinstance(values, dict) and values.keys() == names else None
