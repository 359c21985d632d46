"""Reading of shards: Parquet files of patches."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from inpaint_ray.data.schema import Dataset
from inpaint_ray.errors import DatasetError
from inpaint_ray.storage import join, locate

ROW_GROUP_PATCHES = 128  # 8 MiB of float32


def shard_rows(dataset: Dataset, split: str) -> dict[str, int]:
    """Return the number of patches by URI of a split's shards, in order of name.

    Raises:
        DatasetError: the split has no patches.
    """
    if not dataset.num_patches(split):
        having = [name for name in dataset.patches if dataset.num_patches(name)]
        raise DatasetError(f"{dataset.uri}: no patches in split {split}; it has {', '.join(having) or 'none at all'}")
    return {join(dataset.uri, name): rows for name, rows in sorted(dataset.shards[split].items()) if rows}


def shard_uris(dataset: Dataset, split: str) -> list[str]:
    """Return the URIs of a split's shards that hold patches.

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
def open_shard(uri: str) -> Iterator[pq.ParquetFile]:
    """Open a shard for reading."""
    filesystem, path = locate(uri)
    with filesystem.open_input_file(path) as file:
        yield pq.ParquetFile(file)


def read_rows(uris: list[str]) -> Iterator[PatchRows]:
    """Yield all rows of the shards, a row group at a time."""
    for uri in uris:
        with open_shard(uri) as parquet:
            for row_group in range(parquet.num_row_groups):
                yield rows_of(parquet.read_row_group(row_group))


def read_row_group(uri: str, row_group: int) -> PatchRows:
    """Read the rows of one row group."""
    with open_shard(uri) as parquet:
        return rows_of(parquet.read_row_group(row_group))


def join_rows(parts: Iterable[PatchRows], fewest: int) -> Iterator[PatchRows]:
    """Join parts of rows into larger ones, each but the last of at least a given number of rows."""
    waiting: list[PatchRows] = []
    for part in parts:
        waiting.append(part)
        if sum(len(rows.patch) for rows in waiting) >= fewest:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[PatchRows]) -> PatchRows:
    if len(parts) == 1:
        return parts[0]
    track_id, patch, magnitudes = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("track_id", "patch", "magnitudes")
    )
    return PatchRows(track_id, [genre for part in parts for genre in part.genre], patch, magnitudes)


def rows_of(table: pa.Table) -> PatchRows:
    """Convert a table with a shard's columns."""
    magnitudes = table["magnitudes"].combine_chunks()
    if isinstance(magnitudes, pa.ChunkedArray):
        magnitudes = magnitudes.chunk(0)
    return PatchRows(
        track_id=table["track_id"].to_numpy(),
        genre=table["genre"].to_pylist(),
        patch=table["patch"].to_numpy(),
        magnitudes=magnitudes.to_numpy_ndarray(),
    )
