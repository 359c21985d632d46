"""Failures of the machine during a restoration: a full disk, no rights, no memory; no file is blamed for them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mutagen.flac import FLAC

from inpaint_ray.audio.decode import read_blocks
from inpaint_ray.audio.tags import copy_tags
from inpaint_ray.errors import StorageError, UnreadableError
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.undo import UndoConfig, undo
from tests.support.machine import largest_file, no_more_files, on_small_disk, with_limits, without_privileges
from tests.support.restoring import read_rows, read_statuses, restore_file, restore_here, write_damaged

PROGRAM = """
import json, resource, sys
from dataclasses import asdict
from inpaint_ray.ledger.records import RecordWriter
from inpaint_ray.restore.archive import SourceFile
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.restorer import Restorer
config = RestoreConfig(input="in", output=sys.argv[1] + "/out")
restorer = Restorer(config, "")
source = SourceFile(uri=SOURCE, name="a.wav", size=1, fingerprint="f")
record = RecordWriter("record", None, Restorer.schema)
LIMIT
try:
    print(json.dumps(asdict(restorer(source, None, record))))
except Exception as error:
    print(type(error).__name__, error)
"""

LITTLE_MEMORY = """
import os
used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGESIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, -1))
"""


def program(source: Path, *, limit: str = "") -> str:
    return PROGRAM.replace("SOURCE", repr(str(source))).replace("LIMIT", limit)


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    write_damaged(tmp_path / "a.wav", seconds=10)
    disk = tmp_path / "disk"
    disk.mkdir()
    run = on_small_disk(program(tmp_path / "a.wav"), disk, size="64k")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"StorageError {disk}/out/a.wav: storage refuses: ") and run.stdout.count("\n") == 1
    assert "No space left on device" in run.stdout or "the disk may be full" in run.stdout


@pytest.mark.parametrize("gaps", [0, 1], ids=["a copy", "a repair"])
def test_an_output_that_cannot_grow_stops_the_job_and_leaves_nothing(tmp_path: Path, gaps: int) -> None:
    write_damaged(tmp_path / "in" / "a.wav", gaps=gaps, seconds=10)
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    with largest_file(2**16), pytest.raises(StorageError, match="out/a.wav: storage refuses") as error:
        restore_here(config)
    assert "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["claim.json"]
    assert restore_here(config) == 0


def test_a_folder_without_rights_stops_the_job_and_is_no_fault_of_the_file() -> None:
    with without_privileges() as folder:
        write_damaged(folder / "in" / "sub" / "a.wav")
        (folder / "out" / "sub").mkdir(parents=True)
        (folder / "out" / "sub").chmod(0o555)
        config = RestoreConfig(input=str(folder / "in"), output=str(folder / "out"))
        source = {"uri": str(folder / "in" / "sub" / "a.wav"), "name": "sub/a.wav", "size": 1}
        with pytest.raises(StorageError, match="out/sub/a.wav: .*cannot be written") as error:
            restore_file(config, source)
        assert "\n" not in str(error.value) and not (folder / "out" / "_restore").exists()  # no record
        (folder / "out").chmod(0o555)
        with pytest.raises(StorageError, match="out/new/a.wav: cannot be written: Permission denied"):
            restore_file(config, source | {"name": "new/a.wav"})
        for path in (folder / "out", folder / "out" / "sub"):
            path.chmod(0o755)


def test_a_source_without_rights_is_a_failed_row_that_is_tried_again() -> None:
    with without_privileges() as folder:
        for name in ("a.wav", "b.wav"):
            write_damaged(folder / "in" / name)
        (folder / "in" / "a.wav").chmod(0)
        config = RestoreConfig(input=str(folder / "in"), output=str(folder / "out"))
        assert restore_here(config) == 3
        assert read_statuses(folder / "out") == {"a.wav": "failed", "b.wav": "restored"}
        assert read_rows(folder / "out")[0].error == "no permission to read it"
        (folder / "in" / "a.wav").chmod(0o644)
        done: list[str] = []
        assert restore_here(config, done) == 0 and done == ["a.wav"]


def test_too_little_memory_is_a_row_that_no_later_run_trusts(tmp_path: Path) -> None:
    write_damaged(tmp_path / "a.wav", seconds=300)
    run = with_limits(program(tmp_path / "a.wav", limit=LITTLE_MEMORY), str(tmp_path))
    assert run.returncode == 0, run.stderr
    entry = json.loads(run.stdout)
    assert (entry["failed"], entry["fingerprint"]) == (True, "")
    assert entry["row"]["status"] == "failed" and entry["row"]["error"].startswith("not enough memory")


def test_what_the_system_refuses_is_not_said_of_the_file(tmp_path: Path) -> None:
    write_damaged(tmp_path / "a.wav")
    with no_more_files(), pytest.raises(UnreadableError, match="cannot be read"):
        next(read_blocks(tmp_path / "a.wav"))


def test_a_file_that_failed_is_tried_again_on_demand(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").write_bytes(b"no sound")
    write_damaged(tmp_path / "in" / "b.wav")
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    done: list[str] = []
    assert restore_here(config, done) == 3 and sorted(done) == ["a.wav", "b.wav"]
    assert restore_here(config, done) == 3 and len(done) == 2
    assert restore_here(replace(config, retry_failed=True), done) == 3 and done[2:] == ["a.wav"]


def test_tags_that_find_no_room_are_not_left_out(tmp_path: Path) -> None:
    for name in ("a.flac", "b.flac"):
        write_damaged(tmp_path / name)
    tagged = FLAC(tmp_path / "a.flac")
    tagged["comment"] = "x" * 2**17
    tagged.save()
    with largest_file(2**16), pytest.raises(OSError, match="File too large"):
        copy_tags(tmp_path / "a.flac", tmp_path / "b.flac")


@pytest.mark.parametrize("harm", ["gone", "no audio any more"])
def test_a_file_that_fails_later_keeps_what_was_made_of_it_and_what_undo_needs(tmp_path: Path, harm: str) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    for name in ("a.wav", "b.wav"):
        write_damaged(source / name, gaps=2)
    (source / "list.txt").write_text("a.wav\nb.wav\n")
    config = RestoreConfig(input=str(source / "list.txt"), output=str(output), method="linear")
    original = (source / "a.wav").read_bytes()
    assert restore_here(config) == 0
    restored = (output / "a.wav").read_bytes()
    if harm == "gone":
        (source / "a.wav").unlink()
    else:
        (source / "a.wav").write_text(harm)
    assert restore_here(replace(config, method="silence")) == 3
    assert (output / "a.wav").read_bytes() == restored
    (row,) = (row for row in read_rows(output) if row.name == "a.wav")
    assert row.status == "failed" and row.error.endswith("; the earlier result still stands")
    assert undo(UndoConfig(output=str(output), to=str(tmp_path / "undone"))) == 0
    assert (tmp_path / "undone" / "a.wav").read_bytes() == original
    (source / "a.wav").write_bytes(original)
    assert restore_here(replace(config, method="silence")) == 0
    assert read_statuses(output) == {"a.wav": "restored", "b.wav": "restored"}
