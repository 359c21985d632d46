"""Shards: readable by plain pyarrow, each patch in one part, the metadata in the footer."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from inpaint_ray.data import shards
from inpaint_ray.data.shards import open_shard, read_part, read_rows
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


@pytest.mark.parametrize("num_parts", [1, 2, 5])
def test_each_patch_is_in_exactly_one_part(tmp_path: Path, num_parts: int) -> None:
    _write(tmp_path / "a.parquet")
    _write(tmp_path / "b.parquet", num_patches=10)
    rows_of_shards = {str(tmp_path / "a.parquet"): 300, str(tmp_path / "b.parquet"): 10}
    parts = [list(read_part(rows_of_shards, part=part, num_parts=num_parts)) for part in range(num_parts)]
    seen = [(int(t), int(p)) for part in parts for rows in part for t, p in zip(rows.track_id, rows.patch, strict=True)]
    assert len(seen) == 310
    assert len(set(seen)) == 300  # b's ten are among a's by name
    row_groups = [rows.track_id.tolist() for rows in read_rows(list(rows_of_shards))]
    for part, read in enumerate(parts):
        assert [rows.track_id.tolist() for rows in read] == row_groups[part::num_parts]


def test_a_part_opens_the_shards_that_it_reads_from_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_of_shards = {str(tmp_path / f"{number}.parquet"): rows for number, rows in enumerate((130, 5, 128, 257, 1))}
    for uri, rows in rows_of_shards.items():
        _write(Path(uri), num_patches=rows)
    opened: list[str] = []
    monkeypatch.setattr(shards, "open_shard", lambda uri, cache: opened.append(Path(uri).stem) or open_shard(uri))
    by_part = []
    for part in range(3):
        assert sum(len(rows.patch) for rows in read_part(rows_of_shards, part=part, num_parts=3)) > 0
        by_part.append("".join(opened))
        opened.clear()
    assert by_part == ["023", "034", "13"]  # row groups 0 and 1 are in the first, 2 in the second, ..., 7 in the last
    assert not any(read_part(rows_of_shards, part=8, num_parts=9)) and not opened


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
