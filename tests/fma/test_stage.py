"""Zips of FMA's layout into a folder: the plain functions, then the job, killed and run again."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from inpaint_ray.errors import JobFailedError, UsageError
from inpaint_ray.fma import stage as module
from inpaint_ray.fma.remote_zip import Member
from inpaint_ray.fma.stage import StageConfig, check_published, open_zip, plan_tasks, stage, stage_members
from tests.fma.test_remote_zip import ZipServer, fma_files, zipped

JOBS = Path(__file__).parents[2] / "jobs"
AUDIO = fma_files("fma_small", num_tracks=60)
AUDIO_ZIP = zipped(AUDIO)
METADATA = {"fma_metadata/README.txt": b"read me", "fma_metadata/tracks.csv": b"track_id,\n" * 1000}


def _staged(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _write(folder: Path, files: dict[str, bytes], name: str = "some.zip") -> str:
    (folder / name).write_bytes(zipped(files))
    return str(folder / name)


def _damage(data: bytes, files: dict[str, bytes], name: str) -> bytes:
    """The zip with a byte of a stored member changed."""
    middle = data.index(files[name]) + 10
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def test_members_are_written_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    damaged = list(AUDIO)[7]
    (tmp_path / "some.zip").write_bytes(_damage(AUDIO_ZIP, AUDIO, damaged))
    remote = open_zip(f"{tmp_path}/some.zip")
    failed = stage_members(remote.source, remote.members, str(tmp_path / "out"))
    assert failed == [(damaged, f"damaged in the zip: Bad CRC-32 for file {damaged!r}")]
    assert _staged(tmp_path / "out") == {name: data for name, data in AUDIO.items() if name != damaged}


def test_a_member_that_the_checksums_disown_is_not_written(tmp_path: Path) -> None:
    changed = {name: b"other" if name.endswith("000700.mp3") else data for name, data in AUDIO.items()}
    remote = open_zip(_write(tmp_path, changed))
    ((name, reason),) = stage_members(remote.source, remote.members, str(tmp_path / "out"))
    assert name == "fma_small/000/000700.mp3"
    assert reason.startswith(f"its SHA-1 is {hashlib.sha1(b'other').hexdigest()}")
    assert name not in _staged(tmp_path / "out")


def test_what_the_checksums_leave_out_is_known(tmp_path: Path) -> None:
    files = AUDIO | {"fma_small/100/100000.mp3": b"unlisted"}
    missing = "fma_small/000/000700.mp3"
    remote = open_zip(_write(tmp_path, {name: data for name, data in files.items() if name != missing}))
    assert remote.missing == [missing]
    unlisted = [member.name for member in remote.members if member.sha1 is None]
    assert unlisted == ["fma_small/README.txt", "fma_small/checksums", "fma_small/100/100000.mp3"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "the zip is empty"),
        ({"notes.txt": b""}, "none of FMA's zips: it holds 'notes.txt'; give fma_metadata.zip, fma_small.zip"),
        ({"../fma_small/000/000002.mp3": b""}, "it holds '../fma_small/000/000002.mp3'"),
        ({"fma_metadata/..": b""}, "it holds 'fma_metadata/..'"),
        ({"fma_small/001/000002.mp3": b""}, "it holds 'fma_small/001/000002.mp3'"),
        ({"fma_small/README.txt": b"", "fma_large/README.txt": b""}, "it holds 'fma_large and fma_small'"),
    ],
)
def test_a_zip_of_something_else_is_refused(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        open_zip(_write(tmp_path, files))


def test_one_of_two_zips_of_the_same_folder_is_refused(tmp_path: Path) -> None:
    uris = (_write(tmp_path, AUDIO, "a.zip"), _write(tmp_path, AUDIO, "b.zip"))
    with pytest.raises(UsageError, match="two of them hold the same folder"):
        stage(StageConfig(zips=uris, output=str(tmp_path / "out")))


def test_the_published_sum_of_a_zip_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = StageConfig(zips=(_write(tmp_path, AUDIO),), output=str(tmp_path / "out"), check_zip=True)
    with pytest.raises(JobFailedError, match="ade154f733639d52e35e32f5593efe5be76c6d70 is published for fma_small.zip"):
        stage(config)
    assert not (tmp_path / "out").exists()
    monkeypatch.setitem(module.PUBLISHED_SHA1, "fma_small", hashlib.sha1(AUDIO_ZIP).hexdigest())
    check_published(open_zip(config.zips[0]))


def test_tasks_are_bounded_and_leave_out_what_stands() -> None:
    def member(start: int, end: int) -> Member:
        return Member(str(start), start, end, size=1, compressed=1, method=0, crc=0)

    many = [member(i, i + 1) for i in range(401)]
    assert [len(task) for task in plan_tasks(many)] == [200, 200, 1]
    assert [len(task) for task in plan_tasks([*many[:10], *many[20:25]])] == [10, 5]
    large = [member(i * 30_000_000, (i + 1) * 30_000_000) for i in range(4)]
    assert [len(task) for task in plan_tasks([*large, member(120_000_000, 10**9)])] == [2, 2, 1]


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="--zips needs at least one zip"):
        StageConfig(zips=(), output="out")
    with pytest.raises(ValueError, match="--max-readers must be at least 1, got 0"):
        StageConfig(zips=("a.zip",), output="out", max_readers=0)


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_run_is_finished_by_the_next(
    local_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "fma"
    with ZipServer(fma_small=AUDIO_ZIP, fma_metadata=zipped(METADATA)) as server:
        config = StageConfig(zips=(server.uri("fma_small"), server.uri("fma_metadata")), output=str(output))
        _run_and_kill(config, server)
        stood = _staged(output)
        assert "fma_small/README.txt" in stood and not AUDIO.keys() <= stood.keys()
        server.requests.clear()
        (output / f"fma_small/README.txt.{'a' * 32}.tmp").write_bytes(b"begun")
        (output / "fma_small/notes.txt").write_bytes(b"mine")
        stage(config)
        assert _staged(output) == AUDIO | METADATA | {"fma_small/notes.txt": b"mine"}
        num_stood = len(stood.keys() & (AUDIO | METADATA).keys())  # without what a killed writer had begun
        assert f"{num_stood} were there already: {output}" in capsys.readouterr().out
        absent = [member for member in open_zip(server.uri("fma_small")).members if member.name not in stood]
        assert (absent[0].start, absent[-1].end) in server.requests  # what is left, in one range
        stage(config)
    said = capsys.readouterr().out
    assert "stage  0 files" in said
    assert f"prepare.py --source {output}/fma_small --metadata {output}/fma_metadata/tracks.csv" in said


def _run_and_kill(config: StageConfig, server: ZipServer) -> None:
    """Run the job as a user does, slowly, and kill it and its Ray when some files have appeared."""
    command = [sys.executable, str(JOBS / "stage_fma.py"), "--zips", *config.zips, "--output", config.output]
    server.pause_s = 0.02
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not list(Path(config.output).glob("fma_small/*/*.mp3")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    while server.num_open:  # Ray's workers leave when they miss the driver
        time.sleep(0.05)
    server.pause_s = 0


@pytest.mark.ray
def test_a_job_with_damaged_members_writes_all_others_and_fails(
    local_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = list(AUDIO)[7]
    (tmp_path / "fma_small.zip").write_bytes(_damage(AUDIO_ZIP, AUDIO, damaged))
    config = StageConfig(zips=(str(tmp_path / "fma_small.zip"),), output=str(tmp_path / "out"))
    with pytest.raises(JobFailedError, match=f"1 of 62 files .* were not written, such as {damaged}; all others were"):
        stage(config)
    assert f"  failed  {damaged}: damaged in the zip: Bad CRC-32" in capsys.readouterr().out
    assert len(_staged(tmp_path / "out")) == 61
    (tmp_path / "fma_small.zip").write_bytes(AUDIO_ZIP)
    stage(replace(config, max_readers=1))
    assert _staged(tmp_path / "out") == AUDIO
    assert "staged 1 files" in capsys.readouterr().out
