"""The manifest, OUTPUT/_restore/manifest.parquet: the outcome of every file, one row each; a view of the records."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.version import VERSION

FOLDER = "_restore"  # below the output; everything but the restored audio
MANIFEST = f"{FOLDER}/manifest.parquet"
DIGEST = b"inpaint_ray.records"  # in the manifest's footer: of what counts in the records

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
        "kinds": pa.map_(pa.string(), pa.int64()),
        "least_confidence": pa.float64(),
        "headroom_db": pa.float64(),
        "copies": pa.map_(pa.string(), pa.float64()),
        "source_size": pa.int64(),
        "source_etag": pa.string(),
        "output": pa.string(),
        "output_size": pa.int64(),
        "sha256": pa.string(),
        "source_sha256": pa.string(),
        "sound_sha256": pa.string(),
        "source_sound_sha256": pa.string(),
        "removed": pa.string(),
        "removed_size": pa.int64(),
        "removed_sha256": pa.string(),
        "undone": pa.int64(),
        "redone": pa.int64(),
        "method": pa.string(),
        "version": pa.string(),
        "model": pa.string(),
        "settings": pa.string(),
        "wall_s": pa.float64(),
        "done_at": pa.string(),
        "record": pa.string(),
    }
)

MAPS = [each.name for each in SCHEMA if pa.types.is_map(each.type)]


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """A row of the manifest: the outcome of one file."""

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
    gap_rows: int = 0  # in the record; 0 where the output is a copy
    longest_gap_s: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)  # kind of damage -> events, each channel's by itself
    least_confidence: float = 0.0  # of the events; 0 where there is none
    headroom_db: float = 0.0  # by which the whole file was lowered, on request
    copies: dict[str, float] = field(default_factory=dict)  # name of another copy -> score of its alignment, 0 to 1
    output: str = ""  # name relative to the output; empty where nothing was written
    output_size: int = 0  # bytes
    sha256: str = ""  # of the output
    source_sha256: str = ""
    sound_sha256: str = ""  # of the output's samples, whatever file holds them: see `audio.checksums`
    source_sound_sha256: str = ""
    removed: str = ""  # name of the difference relative to the output; "" without one
    removed_size: int = 0  # bytes
    removed_sha256: str = ""
    undone: int = 0  # repairs that a decision took back; they have rows, too
    redone: int = 0  # repairs that a decision named another method for
    wall_s: float = 0.0
    done_at: str = ""  # UTC, by ISO 8601
    record: str = ""  # name of the ledger's record that has the gaps

    @property
    def filled_s(self) -> float:
        """Return the seconds of audio that were filled, mean over channels."""
        return self.samples_replaced / (self.sample_rate * self.channels) if self.samples_replaced else 0.0


def rows_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Convert rows to a part of the manifest."""
    listed = [{**row, **{name: list(row[name].items()) for name in MAPS}} for row in rows]
    return pa.Table.from_pylist(listed, schema=SCHEMA)


def make_rows(ledger: Ledger, record: str, counting: list[str] | None) -> pa.Table:
    """Make the part of the manifest with the rows of a record."""
    return rows_table(entry.row for entry in ledger.entries(record, counting))


def write_manifest(output: str, table: pa.Table, digest: str) -> None:
    """Write the manifest.

    Args:
        output: of the restoration.
        table: all rows, in order of name.
        digest: of what counts in the records.
    """
    with storage.open_output(storage.join(output, MANIFEST)) as stream:
        pq.write_table(table.replace_schema_metadata({DIGEST: digest.encode()}), stream, compression="zstd")


def read_manifest(output: str) -> tuple[pa.Table, str] | None:
    """Return the rows of a manifest and its digest, or None where there is none.

    Raises:
        UsageError: it is damaged, or not a manifest.
    """
    uri = storage.join(output, MANIFEST)
    try:
        with storage.local_file(uri) as path:
            table = pq.read_table(path)
            return completed(table), (table.schema.metadata or {}).get(DIGEST, b"").decode()
    except FileNotFoundError:
        return None
    except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{uri}: damaged, or not a manifest; delete it: it is made again from the records") from error


def completed(table: pa.Table) -> pa.Table:
    """Add to a manifest of an earlier version the columns that it lacks."""
    defaults = {each.name: each.default for each in fields(ManifestRow) if each.default is not MISSING}
    defaults |= dict.fromkeys(MAPS)  # read as empty
    for name in SCHEMA.names:
        if name not in table.schema.names and name in defaults:
            table = table.append_column(name, pa.repeat(pa.scalar(defaults[name], SCHEMA.field(name).type), len(table)))
    return table.select(SCHEMA.names).cast(SCHEMA)


def manifest_rows(table: pa.Table) -> list[ManifestRow]:
    """Convert the manifest to rows."""
    return [ManifestRow(**{**row, **{name: dict(row[name] or ()) for name in MAPS}}) for row in table.to_pylist()]
