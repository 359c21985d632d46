"""Repairs taken back and done again one by one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from inpaint_ray import storage
from inpaint_ray.audio.decode import read_recording
from inpaint_ray.errors import UsageError
from inpaint_ray.restore.config import Proof, RestoreConfig
from inpaint_ray.restore.decisions import COLUMNS, Repair, from_text, read_decisions, to_text
from inpaint_ray.restore.gap_table import GAPS
from inpaint_ray.restore.undo import UndoConfig, undo
from inpaint_ray.restore.undone import GAPS as UNDONE_GAPS
from inpaint_ray.restore.undone import MANIFEST as UNDONE_MANIFEST
from tests.support.restoring import RATE, read_rows, restore_here, write_damaged


def gaps_of(output: Path) -> list[dict[str, Any]]:
    rows = pq.read_table(output / GAPS).to_pylist()
    return sorted(rows, key=lambda row: (row["name"], row["start"], row["channel"]))


def write_decisions(path: Path, decided: list[tuple[dict[str, Any], str]]) -> str:
    lines = [",".join(COLUMNS)]
    lines += [",".join(f'"{row[column]}"' for column in COLUMNS[:4]) + f",{decision}" for row, decision in decided]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def samples_of(path: Path) -> np.ndarray:
    return read_recording(path.read_bytes()).samples


@pytest.fixture
def config(tmp_path: Path) -> RestoreConfig:
    """A restoration of a.wav with four gaps, b.flac with two and whole.wav with none."""
    write_damaged(tmp_path / "in" / "a.wav", gaps=4)
    write_damaged(tmp_path / "in" / "sub" / "b.flac", gaps=2)
    write_damaged(tmp_path / "in" / "whole.wav", gaps=0)
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    assert restore_here(config) == 0
    return config


def test_decisions_put_back_exactly_what_they_name(
    tmp_path: Path, config: RestoreConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    output, to = tmp_path / "out", tmp_path / "undone"
    gaps = gaps_of(output)
    chosen = [gaps[1], gaps[2]]
    only = write_decisions(
        tmp_path / "decisions.csv", [(gaps[0], "keep"), (gaps[1], "undo"), (gaps[2], "undo"), (gaps[3], "linear")]
    )
    capsys.readouterr()
    assert undo(UndoConfig(output=str(output), to=str(to), only=only)) == 0
    said = capsys.readouterr().out
    assert "a.wav: 2 of 4 repairs taken back" in said
    assert "2 other files, in which nothing was taken back, not written here" in said and "--all" in said
    assert [file.name for file in storage.list_files(str(to)) if "_undo" not in file.name] == ["a.wav"]
    damaged, restored, undone = (samples_of(folder / "a.wav") for folder in (tmp_path / "in", output, to))
    expected = restored.copy()
    for gap in chosen:
        expected[gap["channel"], gap["start"] : gap["stop"]] = damaged[gap["channel"], gap["start"] : gap["stop"]]
    np.testing.assert_array_equal(undone, expected)
    assert (undone != restored).any() and (undone != damaged).any()
    table = pq.read_table(to / UNDONE_GAPS).to_pylist()
    assert [row["decision"] for row in table] == ["", "undo", "undo", ""]
    (row,) = pq.read_table(to / UNDONE_MANIFEST).to_pylist()
    assert (row["name"], row["undone"], row["samples_replaced"]) == (
        "a.wav",
        2,
        sum(gap["stop"] - gap["start"] for gap in (gaps[0], gaps[3])),
    )
    assert row["output_size"] == (to / "a.wav").stat().st_size


def test_all_copies_the_rest_and_later_undos_add_to_the_tables(tmp_path: Path, config: RestoreConfig) -> None:
    output, to = tmp_path / "out", tmp_path / "undone"
    base = UndoConfig(output=str(output), to=str(to))
    assert undo(replace(base, name="a.wav", where="start < 2500")) == 0
    assert undo(replace(base, name="sub/b.flac")) == 0
    rows = pq.read_table(to / UNDONE_GAPS).to_pylist()
    assert {(row["name"], row["decision"]) for row in rows} == {
        ("a.wav", "undo"),
        ("a.wav", ""),
        ("sub/b.flac", "undo"),
    }
    assert undo(replace(base, all=True)) == 0
    for name in ("a.wav", "whole.wav"):
        assert (to / name).read_bytes() == (tmp_path / "in" / name).read_bytes()
    np.testing.assert_array_equal(samples_of(to / "sub/b.flac"), samples_of(tmp_path / "in/sub/b.flac"))
    assert [row["name"] for row in pq.read_table(to / UNDONE_MANIFEST).to_pylist()] == [
        "a.wav",
        "sub/b.flac",
        "whole.wav",
    ]


def test_what_is_not_written_is_said(tmp_path: Path, config: RestoreConfig, capsys: pytest.CaptureFixture[str]) -> None:
    assert undo(UndoConfig(output=config.output, to=str(tmp_path / "undone"))) == 0
    said = capsys.readouterr().out
    assert "2 files as they came" in said and "1 other file, in which nothing was taken back" in said


def test_kinds_and_conditions_choose_together(tmp_path: Path, config: RestoreConfig) -> None:
    base = UndoConfig(output=config.output, to=str(tmp_path / "undone"), kind="zeros", where="start >= 3000")
    assert undo(base) == 0
    rows = pq.read_table(tmp_path / "undone" / UNDONE_GAPS).to_pylist()
    assert all((row["decision"] == "undo") == (row["start"] >= 3000) for row in rows) and len(rows) == 6
    with pytest.raises(UsageError, match="no such kind; there are zeros"):
        undo(replace(base, kind="hum"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a.wav,0,2000,2080,maybe", "line 2: decision 'maybe' is none of keep, undo, auto"),
        ("a.wav,0,0.25,0.26,undo", "samples, not seconds"),
        ("a.wav,0,,,undo", "samples, not seconds"),
        (
            "a.wav,0,2000,2080,undo\na.wav,0,2000,2080,keep",
            "line 3: a.wav, channel 0, samples 2000 to",
        ),
        ("b.wav,0,2000,2080,undo", "no file named b.wav in"),
        ("a.wav,0,2000,2080,keep", "none of its decisions is undo"),
    ],
)
def test_decisions_that_cannot_be_used_are_refused_in_one_line(
    tmp_path: Path, config: RestoreConfig, line: str, reason: str
) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text("\ufeffname,channel,start,stop,decision\n" + line + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match="^--only") as raised:
        undo(UndoConfig(output=config.output, to=str(tmp_path / "undone"), only=str(path)))
    assert reason in str(raised.value) and "\n" not in str(raised.value)
    path.write_text("name;channel\n")
    with pytest.raises(UsageError, match="no column name, channel, start, stop, decision"):
        undo(UndoConfig(output=config.output, to=str(tmp_path / "undone"), only=str(path)))
    with pytest.raises(UsageError, match="no such file"):
        undo(UndoConfig(output=config.output, to=str(tmp_path / "undone"), only=str(tmp_path / "x.csv")))


def test_a_repair_that_there_is_not_fails_its_file_alone(
    tmp_path: Path, config: RestoreConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    gaps = gaps_of(tmp_path / "out")
    wrong = gaps[0] | {"start": gaps[0]["start"] - 1}
    only = write_decisions(tmp_path / "d.csv", [(wrong, "undo"), (gaps[-1], "undo")])
    assert undo(UndoConfig(output=config.output, to=str(tmp_path / "undone"), only=only)) == 3
    said = capsys.readouterr().out
    assert f"a.wav: failed: it has no repair of channel 0, samples {wrong['start']} to" in said
    assert "sub/b.flac: 1 of 2 repairs taken back" in said
    proof = Proof(decisions=only)
    before = (tmp_path / "out" / "a.wav").read_bytes()
    assert restore_here(replace(config, proof=proof)) == 3
    rows = {row.name: row for row in read_rows(tmp_path / "out")}
    assert "a decision names a repair that does not exist" in rows["a.wav"].error
    assert (tmp_path / "out" / "a.wav").read_bytes() == before  # the earlier result still stands


def test_a_restoration_does_named_repairs_again_and_touches_no_other_sample(
    tmp_path: Path, config: RestoreConfig
) -> None:
    output = tmp_path / "out"
    first, gaps = samples_of(output / "a.wav"), gaps_of(output)
    uri = write_decisions(tmp_path / "d.csv", [(gaps[0], "undo"), (gaps[1], "linear"), (gaps[2], "keep")])
    decided = replace(config, proof=Proof(decisions=uri, difference=False))
    done: list[str] = []
    assert restore_here(decided, done) == 0 and done == ["a.wav"]  # others are as they were
    second, damaged = samples_of(output / "a.wav"), samples_of(tmp_path / "in" / "a.wav")
    changed = {number for number, gap in enumerate(gaps[:4]) if (first != second)[0, gap["start"] : gap["stop"]].any()}
    assert changed == {0, 1}
    outside = np.ones(first.shape[1], dtype=bool)
    for gap in gaps[:2]:
        outside[gap["start"] : gap["stop"]] = False
    np.testing.assert_array_equal(second[:, outside], first[:, outside])
    start, stop = gaps[0]["start"], gaps[0]["stop"]
    np.testing.assert_array_equal(second[:, start:stop], damaged[:, start:stop])
    line = second[0, gaps[1]["start"] - 1 : gaps[1]["stop"] + 1].astype(float)
    assert np.abs(np.diff(line, 2)).max() <= 2 * 2**16  # straight, but for rounding
    rows = gaps_of(output)[:4]
    assert [(row["decision"], row["method"]) for row in rows] == [
        ("undo", ""),
        ("linear", "linear"),
        ("keep", gaps[2]["method"]),
        ("", gaps[3]["method"]),
    ]
    assert rows[0]["level_after_db"] == rows[0]["level_before_db"] and rows[0]["expected_snr_db"] is None
    row = next(row for row in read_rows(output) if row.name == "a.wav")
    assert (row.undone, row.redone) == (1, 1)
    assert row.samples_replaced == sum(gap["stop"] - gap["start"] for gap in gaps[1:4])
    done.clear()
    assert restore_here(decided, done) == 0 and done == []
    assert undo(UndoConfig(output=str(output), to=str(tmp_path / "undone"))) == 0
    assert (tmp_path / "undone" / "a.wav").read_bytes() == (tmp_path / "in" / "a.wav").read_bytes()
    assert restore_here(config) == 0
    np.testing.assert_array_equal(samples_of(output / "a.wav"), first)


def test_undo_in_a_restoration_and_undo_by_piece_give_the_same(tmp_path: Path, config: RestoreConfig) -> None:
    gaps = gaps_of(tmp_path / "out")
    uri = write_decisions(tmp_path / "d.csv", [(gaps[1], "undo"), (gaps[3], "undo")])
    assert undo(UndoConfig(output=config.output, to=str(tmp_path / "undone"), only=uri)) == 0
    assert restore_here(replace(config, proof=Proof(decisions=uri))) == 0
    assert (tmp_path / "undone" / "a.wav").read_bytes() == (tmp_path / "out" / "a.wav").read_bytes()


def test_a_clipped_stretch_may_be_taken_back_or_done_by_another_method(tmp_path: Path) -> None:
    time = np.arange(8000) / RATE
    sound = np.clip(1.5 * np.sin(2 * np.pi * 220 * time) * np.sin(2 * np.pi * 1.1 * time), -0.9, 0.9)
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.wav", sound, RATE, subtype="PCM_16")
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"), find=("clipping",))
    assert restore_here(config) == 0
    gaps = [gap for gap in gaps_of(tmp_path / "out") if gap["stop"] - gap["start"] > 2]
    first = samples_of(tmp_path / "out" / "a.wav")
    uri = write_decisions(tmp_path / "d.csv", [(gaps[0], "undo"), (gaps[1], "linear")])
    assert restore_here(replace(config, proof=Proof(decisions=uri, difference=True))) == 0
    second = samples_of(tmp_path / "out" / "a.wav")
    changed = np.flatnonzero((first != second)[0])
    inside = [set(range(gap["start"], gap["stop"])) for gap in gaps[:2]]
    assert set(changed) <= inside[0] | inside[1] and set(changed) & inside[0] and set(changed) & inside[1]
    damaged = read_recording((tmp_path / "in" / "a.wav").read_bytes()).to_float()
    where = slice(gaps[0]["start"], gaps[0]["stop"])
    np.testing.assert_array_equal(second[0, where], damaged[0, where])
    removed = samples_of(tmp_path / "out" / "a.removed.wav")
    np.testing.assert_array_equal(second + removed, damaged)


def test_a_method_that_needs_a_model_is_refused_without_one(tmp_path: Path, config: RestoreConfig) -> None:
    uri = write_decisions(tmp_path / "d.csv", [(gaps_of(tmp_path / "out")[0], "griffin_lim")])
    with pytest.raises(UsageError, match="griffin_lim, which needs --checkpoint"):
        restore_here(replace(config, checkpoint=None, proof=Proof(decisions=uri)))


def test_decisions_are_the_same_text_in_any_order() -> None:
    decided = {Repair(1, 5, 9): "undo", Repair(0, 7, 8): "linear"}
    text = to_text(decided)
    assert text == to_text(dict(reversed(decided.items()))) and from_text(text) == decided and from_text("") == {}


def test_names_with_commas_and_quotes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text('name,channel,start,stop,decision,note\n"a ""x"", b.wav",0,1,2,undo,why\n')
    assert read_decisions("--only", str(path)) == {'a "x", b.wav': {Repair(0, 1, 2): "undo"}}
