"""Shards: Parquet files of patches, each with the story of its tracks in its footer, so that a killed run goes on."""

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from inpaint_ray.data.schema import Dataset, Dtype, patch_schema
from inpaint_ray.errors import DatasetError
from inpaint_ray.storage import join, keep_copy, locate, open_output

ROW_GROUP_PATCHES = 128  # 8 MiB of float32
FOOTER_KEY = b"inpaint_ray"
PARQUET_MAGIC = b"PAR1"  # begins and ends a file; before the end are the footer and its length in four bytes


@dataclass(kw_only=True)
class ShardStory:
    """What became of the tracks that a shard was to hold; kept in the shard's footer as JSON."""

    plan: str  # fingerprint of the tracks, their order and the settings
    split: str
    tracks: dict[str, int] = field(default_factory=dict)  # genre -> tracks that gave patches
    patches: dict[str, int] = field(default_factory=dict)  # genre -> patches
    seconds: float = 0.0
    largest: float = 0.0  # magnitude
    rejected: list[tuple[str, str]] = field(default_factory=list)  # (URI, error)
    files: dict[str, int] = field(default_factory=dict)  # names below the output -> rows; more than one for long tracks

    def count(self, genre: str, num_patches: int, seconds: float) -> None:
        """A track gave so many patches."""
        self.tracks[genre] = self.tracks.get(genre, 0) + 1
        self.patches[genre] = self.patches.get(genre, 0) + num_patches
        self.seconds += seconds

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "ShardStory":
        record = json.loads(text)
        return cls(**record | {"rejected": [(uri, error) for uri, error in record["rejected"]]})


@dataclass(frozen=True)
class TrackPatches:
    """Consecutive patches of a track."""

    track_id: int
    genre: str
    first: int  # number in the track of the first of them
    magnitudes: NDArray  # (P, 128, 128) linear


def write_shard(uri: str, pieces: list[TrackPatches], *, dtype: Dtype, seed: int, story: ShardStory) -> None:
    """Write a shard that appears whole or not at all; one row a patch, in a seeded order.

    Memory beyond the pieces themselves is bounded by a row group.

    Args:
        uri: of the Parquet file.
        pieces: the patches that it is to hold.
        dtype: of the magnitudes in the file.
        seed: of the order of rows.
        story: what the footer says.
    """
    schema = patch_schema(dtype).with_metadata({FOOTER_KEY: story.to_json().encode()})
    places = [(piece, place) for piece in pieces for place in range(len(piece.magnitudes))]
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
    """A row for each (piece, place in it)."""
    tensor_type = schema.field("magnitudes").type
    magnitudes = np.stack([piece.magnitudes[place] for piece, place in rows])
    flat = pa.array(magnitudes.astype(tensor_type.value_type.to_pandas_dtype(), copy=False).reshape(-1))
    storage = pa.FixedSizeListArray.from_arrays(flat, type=tensor_type.storage_type)
    columns = [
        pa.array([piece.track_id for piece, _ in rows], pa.int64()),
        pa.array([piece.genre for piece, _ in rows], pa.string()),
        pa.array([piece.first + place for piece, place in rows], pa.int16()),
        pa.ExtensionArray.from_storage(tensor_type, storage),
    ]
    return pa.table(columns, schema=schema)


def read_story(uri: str) -> ShardStory | None:
    """The story in a shard's footer; None where there is no such file, or it is not a whole shard of ours."""
    try:
        footer = read_footer(uri)
        return ShardStory.from_json(footer) if footer is not None else None
    except (KeyError, ValueError, TypeError):  # of another version
        return None


def read_footer(uri: str) -> bytes | None:
    """Return our entry in a Parquet file's footer; None where there is no such file or it has no such entry."""
    schema = read_schema(uri)
    return (schema.metadata or {}).get(FOOTER_KEY) if schema is not None else None


def read_schema(uri: str) -> pa.Schema | None:
    """Return the schema of a Parquet file; None where there is no such file or it is not Parquet.

    Reading and parsing are apart, because pyarrow raises OSError for a damaged footer as for a broken network.
    """
    filesystem, path = locate(uri)
    try:
        with filesystem.open_input_file(path) as file:
            size = file.size()
            file.seek(max(0, size - 8))
            length, magic = struct.unpack("<I4s", file.read().rjust(8))
            if magic != PARQUET_MAGIC:
                return None
            file.seek(max(0, size - 8 - length))
            footer = file.read()
    except FileNotFoundError:
        return None
    try:
        return pq.read_schema(pa.BufferReader(PARQUET_MAGIC + footer))
    except (pa.ArrowException, OSError, ValueError):
        return None


def shard_rows(dataset: Dataset, split: str) -> dict[str, int]:
    """The URIs of a split's shards, in order of name, and how many patches each holds.

    Raises:
        DatasetError: the split has no patches.
    """
    if not dataset.num_patches(split):
        having = [name for name in dataset.patches if dataset.num_patches(name)]
        raise DatasetError(f"{dataset.uri}: no patches in split {split}; it has {', '.join(having) or 'none at all'}")
    return {join(dataset.uri, name): rows for name, rows in sorted(dataset.shards[split].items()) if rows}


def shard_uris(dataset: Dataset, split: str) -> list[str]:
    """The shards of a split that hold patches.

    Raises:
        DatasetError: the split has no patches.
    """
    return list(shard_rows(dataset, split))


@dataclass(frozen=True)
class PatchRows:
    """Rows of a shard as arrays."""

    track_id: NDArray[np.int64]  # (P,)
    genre: list[str]  # P names
    patch: NDArray[np.int16]  # (P,)
    magnitudes: NDArray  # (P, 128, 128) linear, float32 or float16


@contextmanager
def open_shard(uri: str, cache: str | None = None) -> Iterator[pq.ParquetFile]:
    """A shard to read from, by way of this machine's copies where there is a folder for them."""
    filesystem, path = locate(keep_copy(uri, cache) if cache else uri)
    with filesystem.open_input_file(path) as file:
        yield pq.ParquetFile(file)


def read_rows(uris: list[str]) -> Iterator[PatchRows]:
    """All rows of the shards, a row group at a time."""
    for uri in uris:
        with open_shard(uri) as parquet:
            for row_group in range(parquet.num_row_groups):
                yield rows_of(parquet.read_row_group(row_group))


def read_part(shards: Mapping[str, int], *, part: int, num_parts: int, cache: str | None = None) -> Iterator[PatchRows]:
    """Every `num_parts`-th row group of the shards, beginning with number `part`: each patch in exactly one part.

    Only shards that hold some of them are opened. Memory is bounded by a row group, 128 patches.

    Args:
        shards: URI -> patches, as `shard_rows` gives them.
        part: which of them, from 0.
        num_parts: into which the row groups are dealt.
        cache: this machine's folder for copies of shards.
    """
    first = 0  # number of the shard's first row group, counted over all shards
    for uri, rows in shards.items():
        num_row_groups = -(-rows // ROW_GROUP_PATCHES)
        wanted = range((part - first) % num_parts, num_row_groups, num_parts)
        first += num_row_groups
        if wanted:
            with open_shard(uri, cache) as parquet:
                for row_group in wanted:
                    yield rows_of(parquet.read_row_group(row_group))


def rows_of(table: pa.Table) -> PatchRows:
    """The rows of a table with a shard's columns."""
    magnitudes = table["magnitudes"].combine_chunks()
    if isinstance(magnitudes, pa.ChunkedArray):
        magnitudes = magnitudes.chunk(0)
    return PatchRows(
        track_id=table["track_id"].to_numpy(),
        genre=table["genre"].to_pylist(),
        patch=table["patch"].to_numpy(),
        magnitudes=magnitudes.to_numpy_ndarray(),
    )
