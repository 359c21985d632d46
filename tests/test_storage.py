"""URIs, and files that appear whole or not at all."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inpaint_ray import storage
from inpaint_ray.errors import FileNameError, UsageError
from inpaint_ray.names import to_path, to_text


def test_a_file_whose_writing_fails_does_not_appear(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.bin"
    with pytest.raises(RuntimeError), storage.open_output(str(target)) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert list(tmp_path.rglob("*.*")) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    storage.write_bytes(str(target), b"old")
    with pytest.raises(RuntimeError), storage.open_output(str(target)) as stream:
        stream.write(b"new")
        raise RuntimeError
    assert target.read_bytes() == b"old"


def test_files_are_listed_with_names_below_the_prefix(tmp_path: Path) -> None:
    for name in ("b/two.txt", "a one.txt", "b/\u00e9t\u00e9.txt"):
        storage.write_bytes(f"{tmp_path}/{name}", b"123")
    files = list(storage.list_files(str(tmp_path)))
    assert [file.name for file in files] == ["a one.txt", "b/two.txt", "b/\u00e9t\u00e9.txt"]
    assert {file.size for file in files} == {3}


def test_an_absent_prefix_lists_nothing(tmp_path: Path) -> None:
    assert list(storage.list_files(f"{tmp_path}/none")) == []


def test_a_tail_is_the_last_bytes_or_the_whole_file(tmp_path: Path) -> None:
    for content in (b"", b"12", b"1234", b"123456"):
        storage.write_bytes(f"{tmp_path}/file.bin", content)
        assert storage.read_tail(f"{tmp_path}/file.bin", 4) == content[-4:]
    with pytest.raises(FileNotFoundError):
        storage.read_tail(f"{tmp_path}/none.bin", 4)
    with pytest.raises(ValueError, match="at least 1"):
        storage.read_tail(f"{tmp_path}/file.bin", 0)


def test_a_published_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    for name in ("old", "new"):
        storage.write_bytes(f"{tmp_path}/{name}/{name}.txt", name.encode())
    storage.publish_folder(tmp_path / "old", f"{tmp_path}/place")
    storage.publish_folder(tmp_path / "new", f"{tmp_path}/place")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old", "place"]
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["new.txt"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.wav", "a/../../up.wav", "", "a\0b"])
def test_names_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="lead out of the output folder"):
        storage.safe_name(name)


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"gs://.*s3://BUCKET"):
        storage.locate("gs://bucket/x")


def test_relative_and_file_uris_become_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.absolute("a/b") == f"{tmp_path}/a/b"
    assert storage.absolute(f"file://{tmp_path}/c") == f"{tmp_path}/c"
    assert storage.absolute("s3://bucket/a/") == "s3://bucket/a"


@pytest.mark.parametrize("name", ["a b", "a#b", "a?b", "a%41b", "a+b", "\u00e9", "x;y", "a\\xffb", b"a\xffb"])
def test_a_file_uri_means_the_path_that_it_quotes(tmp_path: Path, name: str | bytes) -> None:
    path = tmp_path / os.fsdecode(name) / "c#%41.bin"
    path.parent.mkdir()
    path.write_bytes(b"123")
    for host in ("", "localhost"):
        folder = f"file://{host}{quote(os.fsencode(path.parent))}"
        (file,) = storage.list_files(folder)
        assert (file.name, storage.read_bytes(file.uri)) == ("c#%41.bin", b"123")
        assert storage.read_bytes(storage.join(folder, "c#%41.bin")) == b"123"
        assert storage.absolute(folder) == to_text(str(path.parent))


def test_a_file_uri_of_another_machine_is_refused() -> None:
    with pytest.raises(UsageError, match="file://tape-server/x: names another machine, tape-server"):
        storage.locate("file://tape-server/x")


def test_a_file_of_the_longest_name_appears_whole(tmp_path: Path) -> None:
    for name in ("x" * 255, "\u00e9" * 127):
        storage.write_bytes(f"{tmp_path}/{name}", b"123")
        assert storage.read_bytes(f"{tmp_path}/{name}") == b"123"
    with pytest.raises(FileNameError, match="File name too long; rename the file"):
        storage.write_bytes(f"{tmp_path}/{'x' * 256}", b"123")
    assert len(list(tmp_path.iterdir())) == 2


@given(name=st.binary(max_size=12) | st.lists(st.sampled_from([b"\\", b"x", b"5", b"c", b"f", b"\xff"])).map(b"".join))
def test_every_name_is_text_and_comes_back(name: bytes) -> None:
    text = to_text(os.fsdecode(name))
    assert os.fsencode(to_path(text)) == name
