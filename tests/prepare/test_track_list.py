"""Lists of one's own: CSV and Parquet, relative and absolute names, and their mistakes."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inpaint_ray.errors import UsageError
from inpaint_ray.prepare.track_list import list_manifest

ROWS = [("jazz/a.wav", "Jazz", "train"), ("b.bin", None, "test"), ("gone.wav", "Folk", "validation")]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "tapes"
    (folder / "jazz").mkdir(parents=True)
    for name in ("jazz/a.wav", "b.bin", "other.flac", "notes.txt"):
        (folder / name).write_bytes(b"12345")
    return folder


def _write(path: Path, rows: list[tuple]) -> str:
    if path.suffix == ".parquet":
        columns = [list(column) for column in zip(*rows, strict=True)]
        pq.write_table(pa.table(dict(zip(("uri", "genre", "split"), columns, strict=True))), path)
    else:
        path.write_text("uri,genre,split\n" + "".join(f"{u},{g or ''},{s}\n" for u, g, s in rows))
    return str(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_list_says_what_is_where(source: Path, tmp_path: Path, suffix: str) -> None:
    listing = list_manifest(str(source), _write(tmp_path / f"list{suffix}", ROWS))
    assert [(t.uri, t.genre, t.split, t.num_bytes) for t in listing.tracks] == [
        (f"{source}/jazz/a.wav", "Jazz", "train", 5),
        (f"{source}/b.bin", "unknown", "test", 5),
    ]
    assert listing.absent == ["gone.wav"]
    assert listing.unlisted == [f"{source}/other.flac"]


def test_a_file_of_another_place_is_left_to_the_reading(source: Path, tmp_path: Path) -> None:
    listing = list_manifest(str(source), _write(tmp_path / "list.csv", [("/elsewhere/x.wav", "Jazz", "train")]))
    assert [track.uri for track in listing.tracks] == ["/elsewhere/x.wav"]


def test_numbers_of_ones_own_are_kept(source: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("split,track_id,uri,genre,more\ntrain,77,b.bin,Jazz,x\n")
    assert list_manifest(str(source), str(tmp_path / "list.csv")).tracks[0].track_id == 77


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uri,split\nb.bin,train\n", "column genre is missing"),
        ("uri,genre,split\nb.bin,Jazz,dev\n", "row 1: a uri and a split of train, validation, test are needed"),
        ("uri,genre,split\n,Jazz,train\n", "row 1: a uri and a split"),
        ("uri,genre,split\nb.bin,Jazz,train\nb.bin,Jazz,test\n", "row 2: .*b.bin is in the list twice"),
        ("uri,genre,split,track_id\nb.bin,J,train,1\njazz/a.wav,J,test,1\n", "row 2: 1 is in the list twice"),
        ("uri,genre,split\nb.bin,Jazz\n", "not a CSV or Parquet list"),
        ("", "not a CSV or Parquet list"),
    ],
)
def test_a_list_with_a_mistake_is_one_clear_error(source: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        list_manifest(str(source), str(tmp_path / "list.csv"))


def test_a_list_that_is_absent_is_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere.csv: no such file"):
        list_manifest(str(source), f"{tmp_path}/nowhere.csv")
