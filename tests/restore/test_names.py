"""Every name that POSIX allows goes through a restoration and back, or is a row with its reason."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.restore.archive import list_archive
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.report import REPORT
from inpaint_ray.restore.undo import UndoConfig, undo
from tests.support.restoring import read_rows, read_statuses, restore_here, write_damaged

CONFIG = RestoreConfig(input="in", output="out")
PIECES = [b"a", b"A", b".", b"-", b" ", b"\n", b"\r", b"\t", b"'", b'"', b"\\", b"\\xff", b"\\x5c", b"%41", b"#", b"?"]
PIECES += [b":", b"*", b"~", b"<b>", b"&amp;", b"\x1b[31m", b"\x7f", b"\xff", b"\xc3", b"\xa9", b"\xed\xa0\x80", b"s3:"]
PIECES += ["\u00e9".encode(), "e\u0301".encode(), "\u2028".encode(), "\U0001f3b5".encode(), b"_restore", b"x" * 100]
names = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map(b"".join)
parts = st.one_of(names, st.binary(min_size=1, max_size=251)).map(
    lambda part: part.translate(None, b"/\0")[:251] or b"-"
)
folders = st.lists(parts.filter(lambda part: part not in (b".", b"..", b"_restore")), max_size=2)
paths = st.builds(lambda folder, name: b"/".join([*folder, name + b".wav"]), folders, parts)


@settings(max_examples=15, deadline=None)
@given(chosen=st.sets(paths, min_size=1, max_size=4))
def test_any_names_are_restored_and_undone(chosen: set[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, output, undone = (Path(folder, name) for name in ("in", "out", "undone"))
        written = []
        for name in sorted(chosen):
            try:
                write_damaged(source / os.fsdecode(name), seconds=0.5, first=1000)
            except OSError:  # a folder of the same name, or a path too long for this test
                continue
            written.append(name)
        config = RestoreConfig(input=str(source), output=str(output))
        done: list[str] = []
        assert restore_here(config, done) == 0 and len(set(done)) == len(written)
        assert sorted(read_statuses(output).values()) == ["restored"] * len(written)
        assert restore_here(config, done) == 0 and len(done) == len(written)  # the second time, nothing to do
        assert undo(UndoConfig(output=str(output), to=str(undone))) == 0
        for name in map(os.fsdecode, written):
            before = (source / name).read_bytes()
            assert (output / name).read_bytes() != before and (undone / name).read_bytes() == before
        (output / REPORT).read_text(encoding="utf-8")


@settings(max_examples=30, deadline=None)
@given(chosen=st.sets(paths.filter(lambda path: b"\n" not in path and not path.endswith(b"\r")), max_size=4))
def test_a_list_made_by_the_shell_names_the_same_files(chosen: set[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_damaged(Path(folder, "first.wav"))
        for name in sorted(chosen):
            path = Path(folder, os.fsdecode(name))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
            except OSError:
                continue
        files = list_archive(replace(CONFIG, input=folder))
        entries = [os.fsencode(os.path.relpath(storage.locate(file.uri)[1], folder)) for file in files]
        if any(b"\\x" in entry for entry in entries):
            return  # a byte is meant
        Path(folder, "list.txt").write_bytes(b"first.wav\n" + b"\n".join(entries) + b"\n")
        assert {file.uri: file.size for file in list_archive(replace(CONFIG, input=f"{folder}/list.txt"))} == {
            file.uri: file.size for file in files
        }


def test_a_name_that_is_not_utf_8_does_not_stop_the_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (b"M\xfcller.wav", b"whole.wav"):
        write_damaged(tmp_path / "in" / os.fsdecode(name))
    (tmp_path / "in" / os.fsdecode(b"\xff\n.wav")).write_bytes(b"no sound")
    assert restore_here(RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))) == 3
    assert read_statuses(tmp_path / "out") == {
        "M\\xfcller.wav": "restored",
        "whole.wav": "restored",
        "\\xff\n.wav": "failed",
    }
    assert os.path.exists(os.fsencode(tmp_path) + b"/out/M\xfcller.wav")
    assert "failed  \\xff\\n.wav: not readable as audio" in capsys.readouterr().out


def test_a_link_to_its_own_folder_lists_each_file_once(tmp_path: Path) -> None:
    write_damaged(tmp_path / "a.wav")
    os.symlink(".", tmp_path / "loop")
    assert [file.name for file in list_archive(replace(CONFIG, input=str(tmp_path)))] == ["a.wav"]
    assert [file.name for file in storage.list_files(str(tmp_path))] == ["a.wav"]


def test_a_folder_goes_by_its_own_name_and_one_outside_by_its_first_link(tmp_path: Path) -> None:
    for name in ("in/real/deep/a.wav", "outside/b.wav"):
        write_damaged(tmp_path / name)
    for link, target in (("a_link", "real"), ("c", "../outside"), ("d", "../outside"), ("real/up", "../..")):
        os.symlink(target, tmp_path / "in" / link)
    os.symlink("real/deep/a.wav", tmp_path / "in" / "file.wav")
    found = [file.name for file in storage.list_files(str(tmp_path / "in"))]
    assert found == ["c/b.wav", "file.wav", "real/deep/a.wav"]


def test_dead_links_fail_as_rows_and_pipes_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    os.symlink("gone.wav", tmp_path / "in" / "dead.wav")
    os.symlink("self.wav", tmp_path / "in" / "self.wav")
    os.mkfifo(tmp_path / "in" / "pipe.wav")
    assert restore_here(RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))) == 3
    assert read_statuses(tmp_path / "out") == {"dead.wav": "failed", "self.wav": "failed"}


def test_entries_of_a_list_that_name_one_file_are_one_and_done_once(tmp_path: Path) -> None:
    write_damaged(tmp_path / "in" / "a.wav")
    write_damaged(tmp_path / "in" / "b" / "c d.wav")
    write_damaged(tmp_path / "e.wav")
    entries = ("./a.wav", "a.wav", "b//c d.wav", " b/../b/c d.wav ", f"{tmp_path}/in/./a.wav", "../e.wav")
    (tmp_path / "in" / "list.txt").write_text("\r\n".join(entries))
    config = RestoreConfig(input=str(tmp_path / "in" / "list.txt"), output=str(tmp_path / "out"))
    done: list[str] = []
    assert restore_here(config, done) == 0
    outside = f"{tmp_path}/e.wav".lstrip("/")
    assert sorted(done) == sorted(["a.wav", "b/c d.wav", outside])
    assert restore_here(config, done) == 0 and len(done) == 3


def test_a_csv_list_may_quote_any_name(tmp_path: Path) -> None:
    for name in ("a\nb.wav", "c, d.wav", " e.wav"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "list.csv").write_text('name,year\n"a\nb.wav",1968\n"c, d.wav",1969\n e.wav,1970\n')
    files = list_archive(replace(CONFIG, input=str(tmp_path / "list.csv")))
    assert [(file.name, file.size) for file in files] == [("a\nb.wav", 1), ("c, d.wav", 1), (" e.wav", 1)]


@pytest.mark.parametrize("name", ["x" * 251 + ".wav", "x" * 251 + ".mp3", "\u00e9" * 125 + "x.wav"])
def test_names_of_255_bytes_are_restored_or_say_that_the_new_one_is_too_long(tmp_path: Path, name: str) -> None:
    write_damaged(tmp_path / "in" / name)
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    assert restore_here(config) == 0
    config = replace(config, output=str(tmp_path / "flac"), output_format="flac")
    assert restore_here(config) == 3
    (row,) = read_rows(tmp_path / "flac")
    assert row.status == "failed" and "File name too long; rename the file" in row.error


def test_a_folder_in_the_place_of_a_result_is_a_row_with_its_reason(tmp_path: Path) -> None:
    write_damaged(tmp_path / "in" / "a.wav")
    write_damaged(tmp_path / "in" / "a.wav.flac" / "b.flac")
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"), output_format="flac")
    for _ in range(2):  # whichever comes first
        assert restore_here(config) == 3
        assert sorted(read_statuses(tmp_path / "out").values()) == ["failed", "restored"]


def test_two_files_of_a_list_that_would_have_one_name_are_refused(tmp_path: Path) -> None:
    """One lies below the list's folder as the other does below the root."""
    outside = tmp_path / "a.wav"
    inside = Path(f"{tmp_path}/list{outside}")
    for path in (outside, inside):
        write_damaged(path)
    listed = tmp_path / "list" / "list.txt"
    listed.write_text(f"{str(outside)[1:]}\n{outside}\n")
    with pytest.raises(UsageError, match="^--input .*list.txt: ") as raised:
        restore_here(RestoreConfig(input=str(listed), output=str(tmp_path / "out")))
    message = str(raised.value)
    assert f" {outside} " in message and f" {inside} " in message and "\n" not in message
    assert not (tmp_path / "out").exists()


def test_a_listed_name_of_an_unfinished_file_is_a_failed_row(tmp_path: Path) -> None:
    """The output would be deleted as what a killed process had begun."""
    name = f"a.wav.{'0' * 32}.tmp"
    write_damaged(tmp_path / "in" / "b.wav")
    (tmp_path / "in" / name).write_bytes((tmp_path / "in" / "b.wav").read_bytes())
    (tmp_path / "in" / "list.txt").write_text(f"{name}\nb.wav\n")
    config = RestoreConfig(input=str(tmp_path / "in" / "list.txt"), output=str(tmp_path / "out"))
    for _ in range(2):
        assert restore_here(config) == 3
        assert read_statuses(tmp_path / "out") == {name: "failed", "b.wav": "restored"}
    (row, _) = read_rows(tmp_path / "out")
    assert row.output == "" and "rename the file" in row.error and name in row.error
