"""Writing of shards: Parquet files of patches, with metadata of their tracks in the footer.

So a shard is the ledger's record of its tracks, and a killed run goes on where it was.
"""

import json
from dataclasses import asdict, dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from inpaint_ray.data.schema import Dtype, patch_schema
from inpaint_ray.data.shards import ROW_GROUP_PATCHES
from inpaint_ray.ledger.records import FOOTER_KEY, read_footer
from inpaint_ray.storage import open_output


@dataclass(kw_only=True)
class ShardMetadata:
    """The metadata of a shard: its plan and the outcome of its tracks; JSON in its footer."""

    plan: str  # fingerprint of the tracks, their order and the settings
    split: str
    tracks: dict[str, int] = field(default_factory=dict)  # genre -> tracks that gave patches
    patches: dict[str, int] = field(default_factory=dict)  # genre -> patches
    seconds: float = 0.0
    largest: float = 0.0  # magnitude
    rejected: list[tuple[str, str]] = field(default_factory=list)  # (URI, error)
    files: dict[str, int] = field(default_factory=dict)  # names below the output -> rows; more than one for long tracks

    def count(self, genre: str, num_patches: int, seconds: float) -> None:
        """Count a track, its patches and its length."""
        self.tracks[genre] = self.tracks.get(genre, 0) + 1
        self.patches[genre] = self.patches.get(genre, 0) + num_patches
        self.seconds += seconds

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "ShardMetadata":
        record = json.loads(text)
        return cls(**record | {"rejected": [(uri, error) for uri, error in record["rejected"]]})


@dataclass(frozen=True)
class TrackPatches:
    """Consecutive patches of a track."""

    track_id: int
    genre: str
    first: int  # number in the track of the first of them
    magnitudes: NDArray  # (P, 128, 128) linear


def write_shard(uri: str, parts: list[TrackPatches], *, dtype: Dtype, seed: int, metadata: ShardMetadata) -> None:
    """Write a shard that appears whole or not at all; one row a patch, in a seeded order.

    Memory beyond the parts themselves is bounded by a row group.

    Args:
        uri: of the Parquet file.
        parts: the patches that it is to hold.
        dtype: of the magnitudes in the file.
        seed: of the order of rows.
        metadata: what the footer says.
    """
    schema = patch_schema(dtype).with_metadata({FOOTER_KEY: metadata.to_json().encode()})
    places = [(part, place) for part in parts for place in range(len(part.magnitudes))]
    order = np.random.default_rng(seed).permutation(len(places))
    encoding = {"magnitudes.list.element": "BYTE_STREAM_SPLIT", "track_id": "PLAIN", "patch": "PLAIN"}
    with (
        open_output(uri) as stream,
        pq.ParquetWriter(
            stream, schema, compression="zstd", use_dictionary=["genre"], column_encoding=encoding
        ) as writer,
    ):
        for start in range(0, len(places), ROW_GROUP_PATCHES):
            rows = [places[number] for number in order[start : start + ROW_GROUP_PATCHES]]
            writer.write_table(_table_of(rows, schema), row_group_size=ROW_GROUP_PATCHES)


def _table_of(rows: list[tuple[TrackPatches, int]], schema: pa.Schema) -> pa.Table:
    """Return a row for each (part, place in it)."""
    tensor_type = schema.field("magnitudes").type
    magnitudes = np.stack([part.magnitudes[place] for part, place in rows])
    flat = pa.array(magnitudes.astype(tensor_type.value_type.to_pandas_dtype(), copy=False).reshape(-1))
    storage = pa.FixedSizeListArray.from_arrays(flat, type=tensor_type.storage_type)
    columns = [
        pa.array([part.track_id for part, _ in rows], pa.int64()),
        pa.array([part.genre for part, _ in rows], pa.string()),
        pa.array([part.first + place for part, place in rows], pa.int16()),
        pa.ExtensionArray.from_storage(tensor_type, storage),
    ]
    return pa.table(columns, schema=schema)


def read_metadata(uri: str) -> ShardMetadata | None:
    """Read the metadata of a shard; None where there is no such file, or it is not a whole shard of ours."""
    try:
        footer = read_footer(uri)
        return ShardMetadata.from_json(footer) if footer is not None else None
    except (FileNotFoundError, KeyError, ValueError, TypeError):  # or of another version
        return None
