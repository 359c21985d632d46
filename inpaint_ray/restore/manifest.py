"""OUTPUT/_restore/manifest.parquet: what became of every file, one row each.

Nothing that is finished is lost with a killed run: the actor that has written a file's output then writes its gaps to
OUTPUT/_restore/rows/KEY.parquet (see `gap_table`) and last its row to KEY.json, each write whole or not at all. The
next run reads the manifest and, over it, these rows; they go when the manifest that has them all is written. A file
whose row is absent is done again, under the same name. The key is a function of the file's name, so a later row
replaces an earlier one wherever a run is killed.
"""

import hashlib
import io
import json
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
    """Write the manifest, by name, and drop the single rows that it now has."""
    ordered = sorted(rows, key=lambda row: row.name)
    table = pa.Table.from_pylist([asdict(row) for row in ordered], schema=SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    storage.write_bytes(storage.join(output, MANIFEST), buffer.getvalue())
    storage.delete_files(storage.join(output, ROWS))


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


def write_row(output: str, row: ManifestRow) -> None:
    """Note that a file is finished, after its output is written."""
    uri = storage.join(output, ROWS, f"{name_key(row.name)}.json")
    storage.write_bytes(uri, json.dumps(asdict(row)).encode())


def read_rows(output: str) -> list[ManifestRow]:
    """The rows that a killed run left; one that cannot be read is left out, and its file done again."""
    uris = [file.uri for file in storage.list_files(storage.join(output, ROWS)) if file.uri.endswith(".json")]
    with ThreadPoolExecutor(16) as pool:
        return [row for row in pool.map(_read_row, uris) if row is not None]


def _read_row(uri: str) -> ManifestRow | None:
    try:
        values: Any = json.loads(storage.read_bytes(uri))
    except ValueError:
        return None
    names = {field.name for field in fields(ManifestRow)}
    return ManifestRow(**values) if isinstance(values, dict) and values.keys() == names else None
