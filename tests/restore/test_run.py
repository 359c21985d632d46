import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from inpaint_ray import storage
from inpaint_ray.errors import StorageError, UsageError
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.ledger.claims import CLAIM, check_apart
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import Entry, RecordWriter
from inpaint_ray.restore.archive import SourceFile
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.gap_table import GAPS, write_gaps
from inpaint_ray.restore.manifest import FOLDER, MANIFEST, SCHEMA, write_manifest
from inpaint_ray.restore.report import REPORT, write_report
from inpaint_ray.restore.restorer import Restorer
from inpaint_ray.restore.run import _check_files, restore
from inpaint_ray.restore.summary import SUMMARY
from inpaint_ray.restore.undo import UndoConfig, undo
from tests.support.interrupted import Killed
from tests.support.restoring import read_rows, read_statuses, restore_here, write_damaged

EXCERPT = 'id="excerpt-'  # of the page, each


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
    assert "a/&lt;b&gt;&amp;.wav" in page and "<b>&.wav" not in page and page.count(EXCERPT) == 3
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


def test_a_killed_run_is_finished_without_repeating_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    write_damaged(source / "a.wav")
    config = RestoreConfig(input=str(source), output=str(output))

    def killed(*arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("inpaint_ray.restore.run._make_views", killed)
        restore_here(config)
    leftover = output / f"b.wav.{'0' * 32}.tmp"
    leftover.write_bytes(b"half")
    written = (output / "a.wav").stat().st_mtime_ns
    done: list[str] = []
    assert restore_here(config, done) == 0 and done == []
    assert (output / "a.wav").stat().st_mtime_ns == written and not leftover.exists()
    assert pq.read_table(output / MANIFEST).column("name").to_pylist() == ["a.wav"]
    assert pq.read_table(output / GAPS).column("name").to_pylist() == ["a.wav"]
    assert sorted(path.name for path in (output / "_restore").iterdir() if path.is_dir()) == ["records"]


def test_what_a_dying_node_had_begun_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    write_damaged(source / "a.wav")
    call = Restorer.__call__

    def dying(restorer: Restorer, source: SourceFile, earlier: Entry | None, record: RecordWriter) -> Entry:
        for place in (output, output / "_restore" / "records"):
            place.mkdir(parents=True, exist_ok=True)
            (place / f"a.wav.{'0' * 32}.tmp").write_bytes(b"half")  # and then the node dies, and another does it
        return call(restorer, source, earlier, record)

    monkeypatch.setattr(Restorer, "__call__", dying)
    assert restore_here(RestoreConfig(input=str(source), output=str(output))) == 0
    assert sorted(path.name for path in output.iterdir()) == ["_restore", "a.wav"]
    assert not list(output.rglob("*.tmp"))


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
    write_damaged(tmp_path / "in" / "a.wav")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="letter.txt"):
        restore_here(RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out")))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["letter.txt"]


def test_an_output_of_another_archive_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_damaged(tmp_path / name / "a.wav")
    config = RestoreConfig(input=str(tmp_path / "one"), output=str(tmp_path / "out"))
    assert restore_here(config) == 0 and restore_here(config) == 0
    with pytest.raises(UsageError, match=f"holds results of input {tmp_path}/one"):
        restore_here(replace(config, input=str(tmp_path / "two")))


def test_a_report_without_repaired_files_has_no_players(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), FOLDER)
    write_gaps(ledger, SCHEMA.empty_table())
    write_report(RestoreConfig(input="in", output=str(tmp_path)), ledger, SCHEMA.empty_table(), wall_s=1)
    page = (tmp_path / REPORT).read_text()
    assert EXCERPT not in page and "<script" not in page


def test_the_page_plays_what_every_method_filled(tmp_path: Path) -> None:
    write_damaged(tmp_path / "in" / "a.wav")
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"), method="silence")
    assert restore_here(config) == 0
    assert (tmp_path / "out" / REPORT).read_text().count(EXCERPT) == 1


def test_the_page_plays_what_stands_of_a_source_that_became_another_recording(tmp_path: Path) -> None:
    """Its marks do not fit it any more, so its earlier result stands, and the record has what that replaced."""
    source, output, marks = tmp_path / "in", tmp_path / "out", tmp_path / "gaps.csv"
    marks.write_text("name,start,end\na.wav,15,15.01\nb.wav,0.25,0.26\n")
    write_damaged(source / "a.wav", seconds=20)
    write_damaged(source / "b.wav")
    config = RestoreConfig(input=str(source), output=str(output), gaps=str(marks))
    assert restore_here(config) == 0
    assert (output / REPORT).read_text().count(EXCERPT) == 2
    write_damaged(source / "a.wav", seconds=2)
    assert restore_here(config) == 3
    assert read_statuses(output) == {"a.wav": "failed", "b.wav": "restored"}
    page = (output / REPORT).read_text()
    assert page.count(EXCERPT) == 2 and "the earlier result still stands" in page


def test_views_that_a_killed_run_of_fewer_files_left_do_not_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.wav", "b.wav"):
        write_damaged(tmp_path / "in" / name)
    listed = tmp_path / "in" / "list.txt"
    listed.write_text("a.wav\nb.wav\n")
    config = RestoreConfig(input=str(listed), output=str(tmp_path / "out"))
    assert restore_here(config) == 0

    def killed(output: str, table: pa.Table, digest: str) -> None:
        if digest:
            raise Killed
        write_manifest(output, table, digest)

    listed.write_text("a.wav\n")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("inpaint_ray.restore.run.write_manifest", killed)
        restore_here(config)
    assert pq.read_table(tmp_path / "out" / GAPS)["name"].to_pylist() == ["a.wav"]
    listed.write_text("a.wav\nb.wav\n")
    done: list[str] = []
    assert restore_here(config, done) == 0 and done == []
    assert sorted(pq.read_table(tmp_path / "out" / GAPS)["name"].to_pylist()) == ["a.wav", "b.wav"]
    assert [row.name for row in read_rows(tmp_path / "out")] == ["a.wav", "b.wav"]
    assert "b.wav" in (tmp_path / "out" / REPORT).read_text()


@pytest.mark.parametrize("name", [REPORT, GAPS, MANIFEST, SUMMARY])
def test_a_view_that_was_deleted_is_made_again(tmp_path: Path, name: str) -> None:
    write_damaged(tmp_path / "in" / "a.wav")
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    assert restore_here(config) == 0
    before = read_rows(tmp_path / "out")
    (tmp_path / "out" / name).unlink()
    done: list[str] = []
    assert restore_here(config, done) == 0 and done == []
    assert read_rows(tmp_path / "out") == before and len(pq.read_table(tmp_path / "out" / GAPS)) == 1
    assert "a.wav" in (tmp_path / "out" / REPORT).read_text()


@pytest.mark.parametrize("text", [None, "{"], ids=["gone", "damaged"])
def test_a_claim_that_is_gone_or_damaged_is_written_again_as_the_message_says(tmp_path: Path, text: str | None) -> None:
    write_damaged(tmp_path / "in" / "a.wav")
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    assert restore_here(config) == 0
    path = tmp_path / "out" / FOLDER / CLAIM
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(UsageError, match="write into that file: ") as raised:
        restore_here(config)
    path.write_text(str(raised.value).partition("write into that file: ")[2])
    done: list[str] = []
    assert restore_here(config, done) == 0 and done == []


def test_damaged_gaps_in_a_record_name_it_and_come_again_without_it(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_damaged(tmp_path / "in" / name, gaps=3)
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    assert restore_here(config) == 0
    record = tmp_path / "out" / FOLDER / "records" / f"{read_rows(tmp_path / 'out')[0].record}.parquet"
    data = record.read_bytes()
    record.write_bytes(data[:4] + b"\xff" * 600 + data[604:])
    write_damaged(tmp_path / "in" / "c.wav", gaps=2)
    for _ in range(2):  # one that begins with something to do, and one that only makes the views
        with pytest.raises(StorageError, match=f"^{record}: damaged; delete it and run the job again") as raised:
            restore_here(config)
        assert "\n" not in str(raised.value)
    record.unlink()
    done: list[str] = []
    assert restore_here(config, done) == 0 and done == ["a.wav"]
    assert (
        sorted(pq.read_table(tmp_path / "out" / GAPS)["name"].to_pylist())
        == ["a.wav"] * 3 + ["b.wav"] * 3 + ["c.wav"] * 2
    )
    assert undo(UndoConfig(output=str(tmp_path / "out"), to=str(tmp_path / "undone"))) == 0


@pytest.mark.parametrize("failing", ["damaged", "marked wrongly"])
def test_an_earlier_result_whose_record_is_gone_does_not_stop_the_views(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], failing: str
) -> None:
    source, output, marks = tmp_path / "in", tmp_path / "out", tmp_path / "gaps.csv"
    marks.write_text("name,start,end\na.wav,0.25,0.26\nb.wav,0.25,0.26\n")
    for name in ("a.wav", "b.wav"):
        write_damaged(source / name)
    config = RestoreConfig(input=str(source), output=str(output), gaps=str(marks))
    assert restore_here(config) == 0
    (record, _) = (output / FOLDER / "records" / f"{row.record}.parquet" for row in read_rows(output))
    if failing == "damaged":
        (source / "a.wav").write_bytes(b"x" * 100)
    else:
        marks.write_text("name,start,end\na.wav,15,15.01\nb.wav,0.25,0.26\n")
    assert restore_here(config) == 3
    record.unlink()
    marks.write_text(marks.read_text() + "c.wav,0.25,0.26\n")
    write_damaged(source / "c.wav")
    capsys.readouterr()
    assert restore_here(config) == 3
    assert f"{record}: missing; the gaps of a.wav cannot be undone" in capsys.readouterr().out
    assert read_statuses(output) == {"a.wav": "failed", "b.wav": "restored", "c.wav": "restored"}
    assert sorted(pq.read_table(output / GAPS)["name"].to_pylist()) == ["b.wav", "c.wav"]
    assert "a.wav" in (output / REPORT).read_text() and (output / "a.wav").exists()
    assert undo(UndoConfig(output=str(output), to=str(tmp_path / "undone"))) == 3
    assert sorted(path.name for path in (tmp_path / "undone").rglob("*.wav")) == ["b.wav", "c.wav"]


@pytest.mark.parametrize("why", ["a folder", "no rights"])
def test_an_earlier_output_that_cannot_be_read_does_not_stop_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    for name in ("a.wav", "b.wav"):
        write_damaged(source / name)
    config = RestoreConfig(input=str(source), output=str(output))
    assert restore_here(config) == 0
    for name in ("a.wav", "b.wav"):
        (source / name).write_bytes(b"x") if name == "a.wav" else write_damaged(source / name, gaps=2)
    if why == "a folder":
        (output / "a.wav").unlink()
        (output / "a.wav").mkdir()
    local_file = storage.local_file

    @contextmanager
    def read(uri: str) -> Iterator[Path]:
        if why == "no rights" and uri == f"{output}/a.wav":
            raise PermissionError(13, "Permission denied", uri)
        with local_file(uri) as path:
            yield path

    monkeypatch.setattr(storage, "local_file", read)
    assert restore_here(config) == 3
    assert [(row.status, row.gaps) for row in read_rows(output)] == [("failed", 1), ("restored", 2)]
    assert "the earlier result still stands" not in read_rows(output)[0].error
