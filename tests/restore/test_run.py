import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.ledger.claims import check_apart, claim
from inpaint_ray.restore.archive import SourceFile, fingerprint
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.gap_table import GAPS
from inpaint_ray.restore.manifest import MANIFEST, RUN, ManifestRow
from inpaint_ray.restore.report import REPORT, write_report
from inpaint_ray.restore.restorer import Restorer
from inpaint_ray.restore.run import _absolute, _check_files, restore
from inpaint_ray.restore.undo import UndoConfig, undo

RATE = 8000


def write_damaged(path: Path, *, gaps: int = 1) -> None:
    time = np.arange(RATE) / RATE
    samples = 0.3 * np.sin(2 * np.pi * 220 * time) + 0.2 * np.sin(2 * np.pi * 331 * time + 1)
    for number in range(gaps):
        samples[2000 + 1000 * number : 2080 + 1000 * number] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, subtype="PCM_16")


@pytest.mark.ray
def test_an_archive_is_restored_and_a_second_run_does_what_is_left(
    local_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    for name, gaps in (("whole.wav", 0), ("a/one.flac", 1), ("a/<b>&.wav", 2)):
        write_damaged(source / name, gaps=gaps)
    (source / "empty.mp3").write_bytes(b"")
    config = RestoreConfig(input=str(source), output=str(output), actors=Actors(num_actors=2))

    assert restore(config) == 3
    rows = pq.read_table(output / MANIFEST).to_pylist()
    assert [(row["name"], row["status"], row["gaps"]) for row in rows] == [
        ("a/<b>&.wav", "restored", 2),
        ("a/one.flac", "restored", 1),
        ("empty.mp3", "failed", 0),
        ("whole.wav", "unchanged", 0),
    ]
    assert (output / "whole.wav").read_bytes() == (source / "whole.wav").read_bytes()
    before, after = (soundfile.read(place / "a/one.flac", dtype="int16")[0] for place in (source, output))
    changed = np.flatnonzero(before != after)
    assert changed.min() >= 2000 and changed.max() < 2080 and len(changed) > 70
    gaps = pq.read_table(output / GAPS)
    assert sorted(set(gaps.column("name").to_pylist())) == ["a/<b>&.wav", "a/one.flac"] and len(gaps) == 3
    page = (output / REPORT).read_text()
    assert "a/&lt;b&gt;&amp;.wav" in page and "<b>&.wav" not in page and page.count("<audio") == 4
    assert "failed  empty.mp3: empty file" in capsys.readouterr().out

    (source / "empty.mp3").unlink()
    write_damaged(source / "a/one.flac", gaps=3)
    kept = (output / "a/<b>&.wav").stat().st_mtime_ns
    assert restore(config) == 0
    rows = pq.read_table(output / MANIFEST).to_pylist()
    assert [(row["name"], row["gaps"]) for row in rows] == [("a/<b>&.wav", 2), ("a/one.flac", 3), ("whole.wav", 0)]
    assert (output / "a/<b>&.wav").stat().st_mtime_ns == kept
    assert sorted(pq.read_table(output / GAPS).column("name").to_pylist()) == ["a/<b>&.wav"] * 2 + ["a/one.flac"] * 3
    capsys.readouterr()
    assert restore(config) == 0
    assert "nothing to do" in capsys.readouterr().out

    undo(UndoConfig(output=str(output), to=str(tmp_path / "undone")))
    for name in ("a/<b>&.wav", "a/one.flac"):
        before, after = (soundfile.read(place / name, dtype="int16")[0] for place in (source, tmp_path / "undone"))
        np.testing.assert_array_equal(after, before)
    assert not (tmp_path / "undone" / "whole.wav").exists()


def test_a_killed_run_is_finished_without_repeating_its_files(tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    write_damaged(source / "a.wav")
    config = _absolute(RestoreConfig(input=str(source), output=str(output)))
    claim("--output", config.output, RUN, "input", config.input)
    size = (source / "a.wav").stat().st_size
    (file,) = storage.list_files(str(source))
    settings = fingerprint(config, "")
    row = {"uri": file.uri, "name": "a.wav", "size": size, "etag": file.etag, "settings": settings}
    Restorer(config)(row)  # and then the power fails
    leftover = output / f"b.wav.{'0' * 32}.tmp"
    leftover.write_bytes(b"half")
    written = (output / "a.wav").stat().st_mtime_ns
    assert restore(config) == 0  # without Ray: nothing is left to restore
    assert (output / "a.wav").stat().st_mtime_ns == written and not leftover.exists()
    assert pq.read_table(output / MANIFEST).column("name").to_pylist() == ["a.wav"]
    assert pq.read_table(output / GAPS).column("name").to_pylist() == ["a.wav"]
    assert sorted(path.name for path in (output / "_restore").iterdir() if path.is_dir()) == ["excerpts"]


def test_what_a_dying_node_had_begun_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    write_damaged(source / "a.wav")

    def run(config: RestoreConfig, todo: list[SourceFile], shown: list[ManifestRow]) -> list[ManifestRow]:
        (output / f"a.wav.{'0' * 32}.tmp").write_bytes(b"half")  # and then the node dies, and another does it
        return [ManifestRow(**Restorer(config)(asdict(source))) for source in todo]

    monkeypatch.setattr("inpaint_ray.restore.run._run", run)
    assert restore(RestoreConfig(input=str(source), output=str(output))) == 0
    assert sorted(path.name for path in output.iterdir()) == ["_restore", "a.wav"]


@pytest.mark.parametrize(
    ("source", "output"),
    [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a", "link/b"), ("a", "c/../a/b"), ("/", "a"), ("a", "/")],
)
def test_folders_in_each_other_are_refused(tmp_path: Path, source: str, output: str) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    os.symlink(tmp_path / "a", tmp_path / "link")
    with pytest.raises(UsageError, match="--output"):
        check_apart("--output", str(tmp_path / output), "--input", str(tmp_path / source))
    check_apart("--output", str(tmp_path / "ab"), "--input", str(tmp_path / "a"))


def test_a_listed_file_in_the_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    os.symlink(tmp_path / "out", tmp_path / "link")
    for uri in (f"{tmp_path}/out/a.wav", f"{tmp_path}/link/a.wav"):
        file = storage.StoredFile(uri=uri, name="a.wav", size=1)
        with pytest.raises(UsageError, match="a.wav"):
            _check_files(RestoreConfig(input="list.txt", output=f"{tmp_path}/out"), [file])


def test_an_output_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="letter.txt"):
        claim("--output", str(tmp_path), RUN, "input", "in")


def test_an_output_of_another_archive_is_refused(tmp_path: Path) -> None:
    claim("--output", str(tmp_path), RUN, "input", "one")
    claim("--output", str(tmp_path), RUN, "input", "one")
    with pytest.raises(UsageError, match="what was made of one"):
        claim("--output", str(tmp_path), RUN, "input", "two")


def test_a_report_without_repaired_files_has_no_players(tmp_path: Path) -> None:
    write_report(RestoreConfig(input="in", output=str(tmp_path)), [], wall_s=1)
    assert "<audio" not in (tmp_path / REPORT).read_text()
