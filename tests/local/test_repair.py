"""`inpaint-ray repair`: the samples of a restoration, inputs left alone, one bad file among good ones."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from inpaint_ray.audio.runs import mark_gaps
from inpaint_ray.errors import UsageError
from inpaint_ray.local import run as running
from inpaint_ray.local.config import RepairConfig
from inpaint_ray.local.run import repair
from inpaint_ray.local.work import Repairer
from inpaint_ray.repairing import find

RATE = 16_000
LOST = slice(16_000, 16_400)


@pytest.fixture
def clean() -> NDArray[np.float64]:
    """Three seconds of a chord with a little noise, (n,)."""
    time = np.arange(3 * RATE) / RATE
    noise = np.random.default_rng(0).normal(0, 1e-3, len(time))
    return sum(0.1 * np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330)) + noise


@pytest.fixture
def tape(tmp_path: Path, clean: NDArray[np.float64]) -> Path:
    """The chord with a dropout of 25 ms, as WAV of 16 bits."""
    clean[LOST] = 0
    path = tmp_path / "tapes" / "tape.wav"
    path.parent.mkdir()
    soundfile.write(path, clean, RATE, subtype="PCM_16")
    return path


def test_a_file_is_repaired_beside_it_and_said_in_a_line(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tape.read_bytes()
    assert repair(RepairConfig(files=(str(tape),))) == 0
    said = capsys.readouterr().out
    assert len(said.splitlines()) == 1 and "1 gap (1 zeros); 0.025 s filled: 1 sure" in said
    assert said.rstrip().endswith("tape.repaired.wav")
    assert sorted(path.name for path in tape.parent.iterdir()) == ["tape.repaired.wav", "tape.wav"]
    assert tape.read_bytes() == before
    damaged, repaired = (soundfile.read(path, dtype="int16")[0] for path in (tape, tape.with_name("tape.repaired.wav")))
    lost = np.zeros(len(damaged), dtype=bool)
    lost[LOST] = True
    found = mark_gaps(find(damaged / 2**15, RATE), 1, 0, len(damaged))[0]
    assert (damaged == repaired)[~found].all() and np.count_nonzero(repaired[lost]) > 300
    assert soundfile.info(tape.with_name("tape.repaired.wav")).subtype == "PCM_16"


def test_output_and_what_was_removed_add_up_to_the_input(tape: Path) -> None:
    assert repair(RepairConfig(files=(str(tape),), difference=True)) == 0
    names = ("tape.wav", "tape.repaired.wav", "tape.removed.wav")
    damaged, repaired, removed = (soundfile.read(tape.with_name(name), dtype="int16")[0] for name in names)
    np.testing.assert_array_equal(repaired + removed, damaged)
    assert removed.any()


def test_it_gives_what_a_restoration_gives(tape: Path, tmp_path: Path) -> None:
    from tests.restore.test_restorer import restore

    repair(RepairConfig(files=(str(tape),), output=str(tmp_path / "one")))
    assert (tmp_path / "one" / "tape.wav").read_bytes() == restore(tmp_path, tape.name, tape.read_bytes()).data


def test_folders_keep_their_names_and_one_bad_file_stops_nothing(
    tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tape.parent / "sub").mkdir()
    shutil.copy(tape, tape.parent / "sub" / "b.wav")
    (tape.parent / "bad.wav").write_bytes(b"no audio at all")
    (tape.parent / "notes.doc").write_text("x")
    time = np.arange(RATE) / RATE
    soundfile.write(tape.parent / "sound.flac", 0.3 * np.sin(2 * np.pi * 300 * time), RATE)
    out = tmp_path / "out"
    assert repair(RepairConfig(files=(str(tape.parent),), output=str(out))) == 3
    said = capsys.readouterr().out
    assert "skipped 1 file, not audio by name: notes.doc" in said
    assert "bad.wav" in said and "failed: not readable as audio" in said
    assert "4 files: 2 repaired, 1 without damage, 1 failed" in said
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert names == ["sound.flac", "sub/b.wav", "tape.wav"]
    assert (out / "sound.flac").read_bytes() == (tape.parent / "sound.flac").read_bytes()


def test_what_is_there_is_left_alone_unless_asked(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tape.with_name("tape.repaired.wav")
    there.write_bytes(b"mine")
    assert repair(RepairConfig(files=(str(tape),))) == 3
    assert "--overwrite replaces it" in capsys.readouterr().out and there.read_bytes() == b"mine"
    assert repair(RepairConfig(files=(str(tape),), overwrite=True)) == 0
    assert there.read_bytes() != b"mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_input_is_ever_an_output(tape: Path, tmp_path: Path, overwrite: bool) -> None:
    linked = tmp_path / "linked"
    linked.symlink_to(tape.parent)
    for folder in (tape.parent, linked, tmp_path / "tapes" / ".." / "tapes"):
        with pytest.raises(UsageError, match="written over the input"):
            repair(RepairConfig(files=(str(tape),), output=str(folder), overwrite=overwrite))
    with pytest.raises(UsageError, match="one lies inside the other"):
        repair(RepairConfig(files=(str(tape.parent),), output=str(tape.parent / "out"), overwrite=overwrite))


def test_wrong_paths_are_answered_before_anything_is_written(tape: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tapf.wav: no such file or folder; did you mean .*tape.wav\?"):
        repair(RepairConfig(files=(str(tape), str(tape.with_name("tapf.wav"))), output=str(tmp_path / "out")))
    with pytest.raises(UsageError, match="is a folder: give --output"):
        repair(RepairConfig(files=(str(tape.parent),)))
    with pytest.raises(UsageError, match="would both be tape.wav"):
        shutil.copytree(tape.parent, tmp_path / "more")
        files = (str(tape), str(tmp_path / "more" / "tape.wav"))
        repair(RepairConfig(files=files, output=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_a_label_track_marks_the_gaps_of_one_file(
    tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("0.5\t0.51\tmine\n")
    assert repair(RepairConfig(files=(str(tape),), gaps=str(labels), output=str(tmp_path / "out"))) == 0
    assert "1 gap (1 marked); 0.010 s filled" in capsys.readouterr().out
    damaged, repaired = soundfile.read(tape)[0], soundfile.read(tmp_path / "out" / "tape.wav")[0]
    changed = np.flatnonzero(damaged != repaired)
    assert changed.min() >= 8_000 and changed.max() < 8_160


def test_nothing_is_left_of_a_write_that_fails(
    tape: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert repair(RepairConfig(files=(str(tape),))) == 3
    assert "No space left" in capsys.readouterr().out
    assert [path.name for path in tape.parent.iterdir()] == ["tape.wav"]


class _Dies(Repairer):
    """Ends its process at a file of one name."""

    def __call__(self, task, watch=None):  # type: ignore[no-untyped-def]
        if task.name == "b.wav":
            os._exit(9)
        return super().__call__(task, watch)


def test_a_process_that_dies_costs_its_own_file_alone(tape: Path, tmp_path: Path) -> None:
    """Run in a process of its own without threads, for its children are forks, which have what is replaced here."""
    for name in ("b.wav", "c.wav"):
        shutil.copy(tape, tape.with_name(name))
    out = tmp_path / "out"
    script = f"""
import multiprocessing, sys
from inpaint_ray.local import run as running
from inpaint_ray.local.config import RepairConfig
from tests.local.test_repair import _Dies
fork = multiprocessing.get_context("fork")
running.Repairer, running.multiprocessing.get_context = _Dies, lambda kind: fork
sys.exit(running.repair(RepairConfig(files=({str(tape.parent)!r},), output={str(out)!r}, processes=2)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "b.wav" in done.stdout and running.DIED in done.stdout and "3 files: 2 repaired, 1 failed" in done.stdout
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == ["c.wav", "tape.wav"]
