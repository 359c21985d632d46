"""Decoded patches of a node: what the shards have, read once, and never half."""

import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inpaint_ray.data import cache
from inpaint_ray.data.cache import PatchCache
from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import ROW_GROUP_PATCHES, read_row_group, shard_rows


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The row groups that were read from shards."""
    seen: list[int] = []

    def read(uri: str, row_group: int) -> object:
        seen.append(row_group)
        return read_row_group(uri, row_group)

    monkeypatch.setattr(cache, "read_row_group", read)
    return seen


def _first_shard(dataset: Dataset) -> tuple[str, int]:
    """Its URI, and the rows of its first row group."""
    uri, num_rows = next(iter(shard_rows(dataset, "train").items()))
    return uri, min(num_rows, ROW_GROUP_PATCHES)


def test_what_is_cached_is_what_the_shard_has_and_is_read_once(
    prepared: Dataset, tmp_path: Path, reads: list[int]
) -> None:
    uri, num_rows = _first_shard(prepared)
    expected = read_row_group(uri, 0)
    for _ in range(2):
        store = PatchCache(str(tmp_path), prepared, "train")
        rows = store.read(uri, 0, num_rows)
        assert store.has(uri, 0)
        assert np.array_equal(rows.track_id, expected.track_id) and np.array_equal(rows.patch, expected.patch)
        assert rows.genre == expected.genre
        assert rows.magnitudes.dtype == expected.magnitudes.dtype
        assert np.array_equal(rows.magnitudes, expected.magnitudes)
    assert reads == [0]


def test_a_kill_before_the_mark_leaves_nothing_that_is_believed(
    prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, num_rows = _first_shard(prepared)

    def die(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fdatasync", die)
    with pytest.raises(KeyboardInterrupt):
        PatchCache(str(tmp_path), prepared, "train").read(uri, 0, num_rows)
    monkeypatch.undo()
    store = PatchCache(str(tmp_path), prepared, "train")
    assert not store.has(uri, 0)
    assert np.array_equal(store.read(uri, 0, num_rows).magnitudes, read_row_group(uri, 0).magnitudes)


@pytest.mark.parametrize("full", ["before", "meanwhile"])
def test_a_disk_without_room_costs_the_cache_and_not_the_patches(
    prepared: Dataset, tmp_path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    uri, num_rows = _first_shard(prepared)

    def write(*_: object) -> int:
        raise OSError(28, "No space left on device")

    if full == "before":
        monkeypatch.setattr(cache, "KEPT_FREE", 1.0)
    else:
        monkeypatch.setattr(os, "pwrite", write)
    store = PatchCache(str(tmp_path), prepared, "train")
    for _ in range(2):
        assert np.array_equal(store.read(uri, 0, num_rows).magnitudes, read_row_group(uri, 0).magnitudes)
    assert reads == [0, 0] and not store.has(uri, 0)


def test_shards_that_were_prepared_again_are_read_again(prepared: Dataset, tmp_path: Path, reads: list[int]) -> None:
    uri, num_rows = _first_shard(prepared)
    PatchCache(str(tmp_path), prepared, "train").read(uri, 0, num_rows)
    PatchCache(str(tmp_path), replace(prepared, seconds=prepared.seconds + 1), "train").read(uri, 0, num_rows)
    assert reads == [0, 0]


def test_a_folder_that_is_deleted_meanwhile_costs_the_cache_and_not_the_patches(
    prepared: Dataset, tmp_path: Path
) -> None:
    uri, num_rows = _first_shard(prepared)
    before = PatchCache(str(tmp_path / "cache"), prepared, "train")
    shutil.rmtree(tmp_path / "cache")
    after = PatchCache(str(tmp_path / "cache"), prepared, "train")
    expected = read_row_group(uri, 0)
    for store in (before, after, before, after):
        rows = store.read(uri, 0, num_rows)
        assert np.array_equal(rows.magnitudes, expected.magnitudes) and np.array_equal(rows.track_id, expected.track_id)


def test_every_row_group_of_every_shard_has_its_place(prepared: Dataset, tmp_path: Path) -> None:
    store = PatchCache(str(tmp_path), prepared, "validation")
    for _ in range(2):
        for uri, num_rows in shard_rows(prepared, "validation").items():
            for row_group, start in enumerate(range(0, num_rows, ROW_GROUP_PATCHES)):
                rows = store.read(uri, row_group, min(ROW_GROUP_PATCHES, num_rows - start))
                expected = read_row_group(uri, row_group)
                assert np.array_equal(rows.magnitudes, expected.magnitudes) and rows.genre == expected.genre


def _read(folder: str, dataset: Dataset, uri: str, num_rows: int, log: str) -> None:
    def read(uri: str, row_group: int) -> object:
        with open(log, "a") as file:
            file.write("read\n")
        return read_row_group(uri, row_group)

    cache.read_row_group = read  # type: ignore[assignment]
    rows = PatchCache(folder, dataset, "train").read(uri, 0, num_rows)
    assert np.array_equal(rows.magnitudes, read_row_group(uri, 0).magnitudes)


def test_of_processes_that_want_the_same_patches_one_decodes_them(prepared: Dataset, tmp_path: Path) -> None:
    uri, num_rows = _first_shard(prepared)
    context, log = multiprocessing.get_context("fork"), str(tmp_path / "log")
    arguments = (str(tmp_path / "cache"), prepared, uri, num_rows, log)
    processes = [context.Process(target=_read, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert Path(log).read_text() == "read\n"
