"""Shards: readable by plain pyarrow, each patch in one part, the metadata in the footer."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from inpaint_ray.data.shards import read_row_group, read_rows
from inpaint_ray.prepare.shard_file import ShardMetadata, TrackPatches, read_metadata, write_shard


def _write(path: Path, num_patches: int = 300, dtype: str = "float32") -> np.ndarray:
    magnitudes = np.random.default_rng(0).random((num_patches, 128, 128), dtype=np.float32)
    starts = range(0, num_patches, 58)
    write_shard(
        str(path),
        [TrackPatches(number, "Rock", 0, magnitudes[start : start + 58]) for number, start in enumerate(starts)],
        dtype=dtype,
        seed=0,
        metadata=ShardMetadata(plan="p", split="train", rejected=[("a.mp3", "empty file")]),
    )
    return magnitudes


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.0), ("float16", 5e-4)])
def test_plain_pyarrow_reads_what_was_written(tmp_path: Path, dtype: str, tolerance: float) -> None:
    magnitudes = _write(tmp_path / "s.parquet", dtype=dtype)
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column_names == ["track_id", "genre", "patch", "magnitudes"]
    read = table["magnitudes"].combine_chunks().to_numpy_ndarray()
    assert read.shape == (300, 128, 128) and read.dtype == dtype
    places = table["track_id"].to_numpy() * 58 + table["patch"].to_numpy()
    assert np.abs(read.astype(np.float32) - magnitudes[places]).max() <= tolerance
    assert sorted(places) == list(range(300)) != list(places)


def test_a_row_group_is_what_it_is_among_all_rows(tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet")
    every = list(read_rows([str(tmp_path / "a.parquet")]))
    assert [len(rows.patch) for rows in every] == [128, 128, 44]
    for number, rows in enumerate(every):
        alone = read_row_group(str(tmp_path / "a.parquet"), number)
        assert np.array_equal(alone.track_id, rows.track_id) and np.array_equal(alone.magnitudes, rows.magnitudes)


def test_the_metadata_come_back_from_the_footer(tmp_path: Path) -> None:
    _write(tmp_path / "s.parquet", num_patches=3)
    metadata = read_metadata(str(tmp_path / "s.parquet"))
    assert metadata == ShardMetadata(plan="p", split="train", rejected=[("a.mp3", "empty file")])


def test_no_file_and_half_a_file_have_no_metadata(tmp_path: Path) -> None:
    _write(tmp_path / "s.parquet", num_patches=3)
    half = tmp_path / "half.parquet"
    half.write_bytes((tmp_path / "s.parquet").read_bytes()[:-100])
    assert read_metadata(str(half)) is None
    assert read_metadata(str(tmp_path / "none.parquet")) is None
