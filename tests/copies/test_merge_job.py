from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from inpaint_ray.copies.config import MergeConfig
from inpaint_ray.copies.run import merge
from inpaint_ray.errors import UsageError
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.restore.config import Proof, UndoConfig
from inpaint_ray.restore.gap_table import GAPS
from inpaint_ray.restore.undo import undo
from tests.support.copies import RATE, lose, play_notes
from tests.support.here import here
from tests.support.restoring import read_rows

LENGTH = RATE // 10


def write(path: Path, samples: np.ndarray, subtype: str = "PCM_16") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples.T, RATE, subtype=subtype)


def make_archive(folder: Path) -> np.ndarray:
    """Write `in/a.wav`, damaged, its digital copy of 24 bits, `b/a.flac`, and another piece, `b/other.wav`."""
    music = np.rint(0.9 * play_notes(12, num_channels=2) * 2**15) / 2**15
    damaged, _ = lose(music, [3 * RATE, 6 * RATE], LENGTH)
    copy, _ = lose(np.concatenate([np.zeros((2, 500)), music], axis=1), [9 * RATE], LENGTH)
    write(folder / "in/a.wav", damaged)
    write(folder / "b/a.flac", copy, "PCM_24")
    write(folder / "c/a_c.wav", play_notes(12, seed=7))
    return music


def merge_here(config: MergeConfig) -> int:
    with here():
        return merge(config)


def test_lost_samples_are_taken_noted_and_undone(tmp_path: Path) -> None:
    music = make_archive(tmp_path)
    copies = (f"{tmp_path}/b", f"{tmp_path}/c/{{stem}}_*")
    config = MergeConfig(input=f"{tmp_path}/in", output=f"{tmp_path}/out", copies=copies)
    assert merge_here(config) == 0
    made, _ = soundfile.read(tmp_path / "out/a.wav", always_2d=True)
    np.testing.assert_array_equal(made.T, music)

    (row,) = read_rows(tmp_path / "out")
    assert row.status == "restored" and row.gaps == 2 and row.samples_replaced == 4 * LENGTH
    assert row.copies["a.flac"] > 0.6 and row.copies["a_c.wav"] < 0.1
    assert "copy a_c.wav is refused: score 0.0" in row.error and "0.3 that" in row.error
    gaps = pq.read_table(tmp_path / "out" / GAPS).to_pylist()
    assert len(gaps) == 4
    for gap in gaps:
        assert gap["method"] == "copy" and gap["copy"] == "a.flac" and gap["trust"] == "sure"
        assert gap["copy_start_s"] == pytest.approx(gap["start_s"] + 500 / RATE)
        assert min(gap["match_before_db"], gap["match_after_db"]) == 120

    undo(UndoConfig(output=f"{tmp_path}/out", to=f"{tmp_path}/undone"))
    undone, _ = soundfile.read(tmp_path / "undone/a.wav", dtype="int16")
    source, _ = soundfile.read(tmp_path / "in/a.wav", dtype="int16")
    np.testing.assert_array_equal(undone, source)


def test_a_merge_is_done_again_when_a_copy_changes_and_else_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    music = make_archive(tmp_path)
    config = MergeConfig(input=f"{tmp_path}/in", output=f"{tmp_path}/out", copies=(f"{tmp_path}/c/{{stem}}_c.wav",))
    assert merge_here(config) == 0
    (row,) = read_rows(tmp_path / "out")
    assert row.status == "restored" and "refused" in row.error
    capsys.readouterr()
    assert merge_here(config) == 0
    assert "nothing to do" in capsys.readouterr().out
    write(tmp_path / "c/a_c.wav", music)
    assert merge_here(config) == 0
    made, _ = soundfile.read(tmp_path / "out/a.wav", always_2d=True)
    np.testing.assert_array_equal(made.T, music)


def test_a_long_gap_is_taken_over_and_one_that_no_copy_has_stays(tmp_path: Path) -> None:
    music = np.rint(0.9 * play_notes(14, seed=2) * 2**15) / 2**15
    damaged, _ = lose(music, [3 * RATE, 9 * RATE], 2 * RATE)
    copy, _ = lose(music, [9 * RATE - 800], 2 * RATE + 1600)
    write(tmp_path / "in/a.wav", damaged)
    write(tmp_path / "b/a.wav", copy)
    config = MergeConfig(input=f"{tmp_path}/in", output=f"{tmp_path}/out", copies=(f"{tmp_path}/b",))
    assert merge_here(config) == 0
    made, _ = soundfile.read(tmp_path / "out/a.wav", always_2d=True)
    np.testing.assert_array_equal(made.T[:, : 9 * RATE], music[:, : 9 * RATE])
    (row,) = read_rows(tmp_path / "out")
    assert row.status == "partly" and "1 gap longer than 1 s, 2.00 s in all" in row.error
    assert row.samples_replaced == 2 * RATE


def test_a_list_names_copies_and_a_broken_or_missing_one_is_noted(tmp_path: Path) -> None:
    music = make_archive(tmp_path)
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    table = tmp_path / "copies.csv"
    table.write_text("name,copy\na.wav,b/a.flac\na.wav,broken.wav\na.wav,gone.wav\n")
    config = MergeConfig(input=f"{tmp_path}/in", output=f"{tmp_path}/out", copies=(str(table),))
    assert merge_here(config) == 0
    made, _ = soundfile.read(tmp_path / "out/a.wav", always_2d=True)
    np.testing.assert_array_equal(made.T, music)
    (row,) = read_rows(tmp_path / "out")
    assert "copy broken.wav: not readable as audio" in row.error and "copy gone.wav: not there" in row.error


def test_gaps_of_copies_may_be_given(tmp_path: Path) -> None:
    music = make_archive(tmp_path)
    (tmp_path / "b/a.txt").write_text(f"{3 + 500 / RATE:.6f}\t{3.05 + 500 / RATE:.6f}\tscratch\n")
    config = MergeConfig(
        input=f"{tmp_path}/in", output=f"{tmp_path}/out", copies=(f"{tmp_path}/b",), copy_gaps="beside"
    )
    assert merge_here(config) == 0
    gaps = pq.read_table(tmp_path / "out" / GAPS).to_pylist()
    first = [gap for gap in gaps if gap["channel"] == 0 and gap["start_s"] < 4]
    assert [bool(gap["copy"]) for gap in first] == [False, True]
    made, _ = soundfile.read(tmp_path / "out/a.wav", always_2d=True)
    np.testing.assert_array_equal(made.T[:, 4 * RATE :], music[:, 4 * RATE :])


def test_what_cannot_be_meant_is_said(tmp_path: Path) -> None:
    make_archive(tmp_path)
    base = {"input": f"{tmp_path}/in", "output": f"{tmp_path}/out"}
    with pytest.raises(ValueError, match="--copies is empty"):
        MergeConfig(**base, copies=())
    with pytest.raises(ValueError, match="only behind it"):
        MergeConfig(**base, copies=("x/*/{stem}.wav",))
    with pytest.raises(UsageError, match="no copy of any file"):
        merge_here(MergeConfig(**base, copies=(f"{tmp_path}/nowhere",)))
    (tmp_path / "copies.csv").write_text("name,copy\nb.wav,b/a.flac\n")
    with pytest.raises(UsageError, match=r"1 names that are not in --input: b.wav \(line 2\)"):
        merge_here(MergeConfig(**base, copies=(f"{tmp_path}/copies.csv",)))
    (tmp_path / "copies.csv").write_text("file\nb.wav\n")
    with pytest.raises(UsageError, match="needs the columns name and copy"):
        merge_here(MergeConfig(**base, copies=(f"{tmp_path}/copies.csv",)))


@pytest.mark.ray
def test_an_archive_is_merged_on_ray(local_ray: None, tmp_path: Path) -> None:
    music = make_archive(tmp_path)
    config = MergeConfig(
        input=f"{tmp_path}/in", output=f"{tmp_path}/out", copies=(f"{tmp_path}/b",), actors=Actors(num_actors=1)
    )
    assert merge(config) == 0
    made, _ = soundfile.read(tmp_path / "out/a.wav", always_2d=True)
    np.testing.assert_array_equal(made.T, music)


def test_what_a_copy_gave_is_taken_back_or_done_by_a_method_as_people_decide(tmp_path: Path) -> None:
    music = make_archive(tmp_path)
    config = MergeConfig(input=f"{tmp_path}/in", output=f"{tmp_path}/out", copies=(f"{tmp_path}/b",))
    assert merge_here(config) == 0
    gaps = pq.read_table(tmp_path / "out" / GAPS).to_pylist()
    undone, redone = ((gap["channel"], gap["start"], gap["stop"]) for gap in gaps[:2])
    decisions = tmp_path / "decisions.csv"
    lines = [f"a.wav,{','.join(map(str, undone))},undo", f"a.wav,{','.join(map(str, redone))},linear"]
    decisions.write_text("\n".join(["name,channel,start,stop,decision", *lines, ""]))
    assert merge_here(replace(config, proof=Proof(decisions=str(decisions)))) == 0
    rows = pq.read_table(tmp_path / "out" / GAPS).to_pylist()
    made = {(row["channel"], row["start"], row["stop"]): row for row in rows}
    assert len(made) == 4
    assert (made.pop(undone)["method"], made.pop(redone)["method"]) == ("", "linear")
    assert all(row["method"] == "copy" and row["copy"] == "a.flac" for row in made.values())
    (row,) = read_rows(tmp_path / "out")
    assert (row.undone, row.redone, row.samples_replaced) == (1, 1, 3 * LENGTH)
    sound = soundfile.read(tmp_path / "out/a.wav", always_2d=True)[0].T
    assert not np.any(sound[undone[0], undone[1] : undone[2]])
    differs = sound != music
    for channel, start, stop in (undone, redone):
        assert differs[channel, start:stop].any()
        differs[channel, start:stop] = False
    assert not differs.any()


def test_decisions_reach_long_gaps_that_copies_gave_and_those_longer_than_a_piece_stay(tmp_path: Path) -> None:
    music = np.rint(0.9 * play_notes(30, seed=3) * 2**15) / 2**15
    damaged, _ = lose(music, [3 * RATE, 8 * RATE], 3 * RATE)
    damaged[:, 14 * RATE : 26 * RATE] = 0
    write(tmp_path / "in/a.wav", damaged)
    write(tmp_path / "b/a.wav", music)
    config = MergeConfig(input=f"{tmp_path}/in", output=f"{tmp_path}/out", copies=(f"{tmp_path}/b",))
    assert merge_here(config) == 0
    made = soundfile.read(tmp_path / "out/a.wav", always_2d=True)[0].T
    np.testing.assert_array_equal(made[:, : 14 * RATE], music[:, : 14 * RATE])
    assert not made[:, round(14.1 * RATE) : round(25.9 * RATE)].any()  # its edges die away
    np.testing.assert_array_equal(made[:, 26 * RATE :], damaged[:, 26 * RATE :])
    gaps = pq.read_table(tmp_path / "out" / GAPS).to_pylist()
    first, second = (gap for gap in gaps if gap["copy"])
    decisions = tmp_path / "decisions.csv"
    line = f"a.wav,0,{first['start']},{first['stop']},undo"
    decisions.write_text(f"name,channel,start,stop,decision\n{line}\n")
    assert merge_here(replace(config, proof=Proof(decisions=str(decisions)))) == 0
    made = soundfile.read(tmp_path / "out/a.wav", always_2d=True)[0].T
    assert not made[:, first["start"] : first["stop"]].any()
    np.testing.assert_array_equal(made[:, second["start"] : second["stop"]], music[:, second["start"] : second["stop"]])
