"""Shards: readable by plain pyarrow, each patch in one part, the story in the footer."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from inpaint_ray.data.shards import ShardStory, TrackPatches, read_rows, read_story, write_shard


def _write(path: Path, num_patches: int = 300, dtype: str = "float32") -> np.ndarray:
    magnitudes = np.random.default_rng(0).random((num_patches, 128, 128), dtype=np.float32)
    starts = range(0, num_patches, 58)
    write_shard(
        str(path),
        [TrackPatches(number, "Rock", 0, magnitudes[start : start + 58]) for number, start in enumerate(starts)],
        dtype=dtype,
        seed=0,
        story=ShardStory(plan="p", split="train", rejected=[("a.mp3", "empty file")]),
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
    uris = [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    parts = [list(read_rows(uris, part=part, num_parts=num_parts)) for part in range(num_parts)]
    seen = [(int(t), int(p)) for part in parts for rows in part for t, p in zip(rows.track_id, rows.patch, strict=True)]
    assert len(seen) == 310
    assert len(set(seen)) == 300  # b's ten are among a's by name


def test_the_story_comes_back_from_the_footer(tmp_path: Path) -> None:
    _write(tmp_path / "s.parquet", num_patches=3)
    story = read_story(str(tmp_path / "s.parquet"))
    assert story == ShardStory(plan="p", split="train", rejected=[("a.mp3", "empty file")])


def test_no_file_and_half_a_file_have_no_story(tmp_path: Path) -> None:
    _write(tmp_path / "s.parquet", num_patches=3)
    half = tmp_path / "half.parquet"
    half.write_bytes((tmp_path / "s.parquet").read_bytes()[:-100])
    assert read_story(str(half)) is None
    assert read_story(str(tmp_path / "none.parquet")) is None
