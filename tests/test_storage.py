"""URIs, and files that appear whole or not at all."""

from pathlib import Path

import pytest

from inpaint_ray import storage
from inpaint_ray.errors import UsageError


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
