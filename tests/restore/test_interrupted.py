"""A restoration that is killed before any of its writes, and run again, has lost nothing."""

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from inpaint_ray import storage
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.gap_table import GAPS
from inpaint_ray.restore.manifest import MANIFEST
from inpaint_ray.restore.report import REPORT
from inpaint_ray.restore.undo import UndoConfig, undo
from tests.support.restoring import restore_here, write_damaged


class Killed(BaseException):
    """Ends a run as a power failure does: nothing in it catches this."""


@dataclass
class Disk:
    """Counts what changes the disk, and dies instead of one such change."""

    last: int | None = None  # number of the change, from 0, that does not happen any more
    count: int = 0

    def change(self) -> None:
        if self.count == self.last:
            raise Killed
        self.count += 1


@contextmanager
def changes(disk: Disk) -> Iterator[None]:
    """Count every file that appears, or is deleted, in this process."""
    replace_file, delete, remove_tree = os.replace, os.remove, shutil.rmtree

    def replaced(source: str, target: str) -> None:
        disk.change()
        replace_file(source, target)

    def deleted(path: str) -> None:
        disk.change()
        delete(path)

    def removed(path: str) -> None:
        for file in sorted(Path(path).rglob("*"), reverse=True):  # gaps before rows: the order that harms
            disk.change()
            file.unlink()
        remove_tree(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.replace", replaced)
        patch.setattr("os.remove", deleted)
        patch.setattr("inpaint_ray.storage.delete_files", removed_files(removed))
        patch.setattr("inpaint_ray.restore.manifest.ThreadPoolExecutor", OneByOne)
        yield


def removed_files(removed):  # type: ignore[no-untyped-def]
    def delete_files(uri: str) -> None:
        if Path(uri).is_dir():
            removed(uri)

    return delete_files


class OneByOne:
    """In the place of a pool of threads, so that a kill stops all."""

    def __init__(self, num_threads: int) -> None:
        self.map = map

    def __enter__(self) -> "OneByOne":
        return self

    def __exit__(self, *error: object) -> None:
        pass


def run(config: RestoreConfig, *, killed_at: int | None = None) -> int:
    """Run a restoration, and tell how many changes it made."""
    disk = Disk(killed_at)
    with changes(disk), suppress(Killed):
        restore_here(config)
    return disk.count


def check_nothing_is_lost(config: RestoreConfig, folder: Path) -> None:
    output = Path(config.output)
    rows = {row["name"]: row for row in pq.read_table(output / MANIFEST).to_pylist()}
    assert {name: row["gaps"] for name, row in rows.items()} == {"a.wav": 1, "b.wav": 2, "c.flac": 1, "new.wav": 3}
    assert len(pq.read_table(output / GAPS)) == 7
    undone = folder / "undone"
    assert undo(UndoConfig(output=str(output), to=str(undone))) == 0
    for path in Path(config.input).iterdir():
        if path.suffix == ".wav":
            assert (undone / path.name).read_bytes() == path.read_bytes(), path.name
        else:
            assert (undone / path.name).exists() and rows[path.name]["gap_rows"] == 1
    assert "new.wav" in (output / REPORT).read_text()
    kept = {file.name for file in storage.list_files(str(output / "_restore")) if "excerpts" not in file.name}
    assert kept == {"manifest.parquet", "gaps.parquet", "report.html", "run.json"}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive that was restored and has changed since, with its output."""
    folder = tmp_path_factory.mktemp("interrupted")
    for name in ("a.wav", "b.wav", "c.flac"):
        write_damaged(folder / "in" / name, seconds=0.6)
    run(RestoreConfig(input=str(folder / "in"), output=str(folder / "out"), method="linear"))
    write_damaged(folder / "in" / "b.wav", gaps=2, first=1500, seconds=0.6)
    write_damaged(folder / "in" / "new.wav", gaps=3, first=1200, seconds=0.6)
    return folder


def interrupt(before: Path, tmp_path: Path, kills: list[int], *, other: dict[str, object] | None = None) -> None:
    """Kill runs at these changes, one after the other, the first with other settings; then run to the end."""
    for each in tmp_path.iterdir():
        shutil.rmtree(each)
    shutil.copytree(before / "out", tmp_path / "out")
    config = RestoreConfig(input=str(before / "in"), output=str(tmp_path / "out"), method="linear")
    for number, killed_at in enumerate(kills):
        run(replace(config, **other) if other and not number else config, killed_at=killed_at)  # type: ignore[arg-type]
    run(config)
    check_nothing_is_lost(config, tmp_path)


def num_changes(before: Path, tmp_path: Path, **other: object) -> int:
    shutil.copytree(before / "out", tmp_path / "out")
    config = RestoreConfig(input=str(before / "in"), output=str(tmp_path / "out"), **{"method": "linear"} | other)  # type: ignore[arg-type]
    return run(config)


def test_a_kill_at_any_write_loses_nothing(before: Path, tmp_path: Path) -> None:
    count = num_changes(before, tmp_path)
    assert count > 15
    for killed_at in range(count):
        interrupt(before, tmp_path, [killed_at])


def test_two_kills_lose_nothing(before: Path, tmp_path: Path) -> None:
    count = num_changes(before, tmp_path)
    chosen = random.Random(0)
    for _ in range(8):
        interrupt(before, tmp_path, [chosen.randrange(count), chosen.randrange(count)])


def test_a_killed_run_with_other_settings_leaves_no_row_that_is_not_of_its_output(before: Path, tmp_path: Path) -> None:
    other: dict[str, object] = {"method": "silence"}  # outputs of the same size
    for killed_at in range(num_changes(before, tmp_path, **other)):
        interrupt(before, tmp_path, [killed_at], other=other)
