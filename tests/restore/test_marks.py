"""Gaps that people marked find their recordings, and those that find none are named."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.restore.archive import list_archive, source_files
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.marks import Mark, Marks, read_marks
from tests.support.restoring import read_statuses, restore_here, write_damaged

TRACK = "0.25\t0.26\tdropout\n"


@pytest.fixture
def tapes(tmp_path: Path) -> Path:
    """A folder with b.wav and sub/c.wav, one second each with a gap that begins at 0.25 s."""
    for name in ("b.wav", "sub/c.wav"):
        write_damaged(tmp_path / "tapes" / name)
    return tmp_path / "tapes"


def _config(tapes: Path, gaps: str, *, dry_run: bool = False) -> RestoreConfig:
    return RestoreConfig(input=str(tapes), output=str(tapes.parent / "out"), gaps=gaps, dry_run=dry_run)


def _read(tapes: Path, gaps: str) -> Marks:
    config = _config(tapes, gaps)
    return read_marks(config, list_archive(config))


def _write_list(tapes: Path, *lines: str) -> str:
    path = tapes.parent / "gaps.csv"
    path.write_text("\n".join(["name,start,end", *lines, ""]))
    return str(path)


def _errors(output: Path) -> dict[str, str]:
    rows = pq.read_table(output / "_restore/manifest.parquet").to_pylist()
    return {row["name"]: row["error"] for row in rows if row["status"] == "failed"}


def test_label_tracks_are_found_by_either_name(tapes: Path) -> None:
    folder = tapes.parent / "marks"
    (folder / "sub").mkdir(parents=True)
    (folder / "b.txt").write_text(TRACK)
    (folder / "sub/c.wav.json").write_text("[]")
    track, listed = str(folder / "b.txt"), str(folder / "sub/c.wav.json")
    assert _read(tapes, str(folder)) == Marks({"b.wav": Mark(TRACK, track), "sub/c.wav": Mark("[]", listed)})


def test_what_labels_mean_decides_the_settings_and_not_where_they_stand(tapes: Path) -> None:
    def settings(*lines: str) -> list[str]:
        config = _config(tapes, _write_list(tapes, *lines))
        files = list_archive(config)
        sources = source_files(config, files, model="", marks=read_marks(config, files))
        return [source.settings for source in sorted(sources, key=lambda source: source.name)]

    first = settings("b.wav,0.25,0.26")
    assert first[0] != first[1]
    moved = settings("sub/c.wav,0.25,0.26", "b.wav,0.25,0.26")
    assert moved[0] == first[0] and moved[1] == first[0] != first[1]


def test_a_line_that_names_no_file_is_a_failed_row_with_what_is_there(tapes: Path) -> None:
    others = ("B.WAV,0.25,0.26", "other/c.wav,0.25,0.26", "d.wav,0.3,0.3", "d.wav,0.4,0.3")  # whatever their times are
    gaps = _write_list(tapes, "b.wav,0.25,0.26", *others)
    out = tapes.parent / "out"
    assert restore_here(_config(tapes, gaps)) == 3
    missing, count = f"no file of this name in {tapes}", "is there: case, accents and folders of names count)"
    expected = {
        "B.WAV": f"{gaps} line 3: {missing} (b.wav {count}",
        "other/c.wav": f"{gaps} line 4: {missing} (sub/c.wav {count}",
        "d.wav": f"{gaps} lines 5, 6: {missing}",
    }
    assert _errors(out) == expected
    assert read_statuses(out)["b.wav"] == "restored"
    done: list[str] = []
    assert restore_here(_config(tapes, gaps), done) == 3 and done == [] and _errors(out) == expected
    _write_list(tapes, "b.wav,0.25,0.26")
    assert restore_here(_config(tapes, gaps), done) == 0 and done == [] and not _errors(out)


def test_a_dry_run_names_them_too(tapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gaps = _write_list(tapes, "b.wav,0.25,0.26", "B.WAV,0.25,0.26")
    assert restore_here(_config(tapes, gaps, dry_run=True)) == 3
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "B.WAV" in line]
    assert "  failed  " in line and f"{gaps} line 3: no file of this name" in line


def test_a_misspelt_label_track_beside_the_audio_is_named_and_notes_are_not(tapes: Path) -> None:
    (tapes / "b.txt").write_text(TRACK)
    (tapes / "sub/C.txt").write_text(TRACK)
    (tapes / "sub/c.wave.txt").write_text("250,1\t260,5\tdamaged, too\n")
    (tapes / "README.txt").write_text("Two tapes, transferred in 2003.\n")
    (tapes / "list.json").write_text('{"title": "tapes"}')
    (tapes / "binary.txt").write_bytes(bytes(range(256)))
    assert restore_here(_config(tapes, "beside")) == 3
    hint = "(sub/c.wav is there: case, accents and folders of names count)"
    none = f"a label track of no audio file in {tapes}"
    assert _errors(tapes.parent / "out") == {"sub/C.txt": f"{none} {hint}", "sub/c.wave.txt": none}


def test_the_suffix_of_a_label_track_may_be_in_any_case(tapes: Path) -> None:
    (tapes / "b.TXT").write_text(TRACK)
    marks = _read(tapes, "beside")
    assert marks.of["b.wav"] == Mark(TRACK, f"{tapes}/b.TXT") and not marks.unmatched


def test_every_text_of_a_folder_of_label_tracks_must_belong_to_a_file(tapes: Path) -> None:
    folder = tapes.parent / "marks"
    folder.mkdir()
    for name in ("b.txt", "b.wav.json", "c.txt", "notes.txt"):
        (folder / name).write_text(TRACK if name.endswith("txt") else "[]")
    marks = _read(tapes, str(folder))
    assert set(marks.unmatched) == {"b.wav.json", "c.txt", "notes.txt"}
    assert marks.unmatched["b.wav.json"] == "a label track of b.wav, which has another one; delete one of them"
    assert "(sub/c.wav is there" in marks.unmatched["c.txt"]


@pytest.mark.parametrize("times", ["250\t260", "0,25\t0,26", "five\tsix"])
def test_labels_that_cannot_be_meant_fail_their_file_alone_by_name_and_line(tapes: Path, times: str) -> None:
    (tapes / "b.txt").write_text(f"0.1\t0.11\tgood\n{times}\tbad\n")
    (tapes / "sub/c.txt").write_bytes(b"0.25\t0.26\tSt\xf6rung\n")  # Latin-1
    assert restore_here(_config(tapes, "beside")) == 3
    (error,) = _errors(tapes.parent / "out").values()
    assert error.startswith(f"{tapes}/b.txt: line 2 ")
    assert read_statuses(tapes.parent / "out") == {"b.wav": "failed", "sub/c.wav": "restored"}


def test_a_list_may_name_files_by_uri_or_with_dots_and_each_in_one_way(tapes: Path) -> None:
    marks = _read(tapes, _write_list(tapes, f"{tapes}/b.wav,0.1,0.2", "./sub/../sub/c.wav,0.3,0.4"))
    assert not marks.unmatched and all(mark.labels for mark in marks.of.values())
    with pytest.raises(UsageError, match="b.wav is listed under two names"):
        _read(tapes, _write_list(tapes, "b.wav,0.1,0.2", "./b.wav,0.3,0.4"))


def test_marks_that_match_nothing_at_all_are_refused(tapes: Path) -> None:
    with pytest.raises(UsageError, match=r"no marks for any file; the first: B.WAV: .* line 2: no file of this name"):
        _read(tapes, _write_list(tapes, "B.WAV,0.1,0.2"))
    with pytest.raises(UsageError, match="--gaps .*: no marks for any file; give a folder"):
        _read(tapes, str(tapes.parent / "nowhere"))
    storage.write_bytes(str(tapes.parent / "bad.csv"), b"name,start\n")
    with pytest.raises(UsageError, match="--gaps .*no column end"):
        _read(tapes, str(tapes.parent / "bad.csv"))
