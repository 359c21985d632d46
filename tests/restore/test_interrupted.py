"""A restoration that is killed before any of its writes, and run again, has lost nothing."""

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import bagit
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from inpaint_ray import storage
from inpaint_ray.restore.config import Proof, RestoreConfig
from inpaint_ray.restore.gap_table import GAPS
from inpaint_ray.restore.manifest import MANIFEST
from inpaint_ray.restore.report import REPORT
from inpaint_ray.restore.undo import UndoConfig, undo
from tests.support.interrupted import run_until
from tests.support.restoring import read_rows, restore_here, write_damaged

OF_RECORDS = ("record", "done_at")  # of the manifest: names of records have the number of the attempt
METHOD = "linear"
UNKNOWN = ("a.wav.flac", "b.wav.flac", "new.wav.flac")  # whole, but of a block that was killed before its record


@pytest.fixture(params=["each in a block", "all in one block"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deal the files to blocks in several ways."""
    if request.param == "all in one block":
        monkeypatch.setattr("inpaint_ray.ledger.blocks.MANY_BLOCKS", 1)


def run(config: RestoreConfig, *, killed_at: int | None = None) -> int:
    """Run a restoration, and tell how many changes it made."""
    return run_until(lambda: restore_here(config), Path(config.output), killed_at)


Results = tuple[dict[str, bytes], list[Any], list[Any]]


def results_of(output: Path) -> Results:
    """The bytes of files and report, and the rows of manifest and gap table."""
    files = {name: path.read_bytes() for name, path in files_of(output).items() if "/records/" not in name}
    files = {name: data for name, data in files.items() if name not in UNKNOWN}
    manifest, gaps = (pq.read_table(pa.BufferReader(files.pop(name))) for name in (MANIFEST, GAPS))
    rows = manifest.drop_columns(list(OF_RECORDS)).to_pylist()
    return files, rows, sorted(gaps.to_pylist(), key=lambda gap: (gap["name"], gap["start"], gap["channel"]))


def files_of(folder: Path) -> dict[str, Path]:
    return {file.name: folder / file.name for file in storage.list_files(str(folder))}


def check_nothing_is_lost(config: RestoreConfig, folder: Path) -> None:
    output = Path(config.output)
    rows = {row["name"]: row for row in pq.read_table(output / MANIFEST).to_pylist()}
    assert {name: row["gaps"] for name, row in rows.items()} == {"a.wav": 1, "b.wav": 2, "c.flac": 1, "new.wav": 3}
    assert len(pq.read_table(output / GAPS)) == 7
    undone = folder / "undone"
    assert undo(UndoConfig(output=str(output), to=str(undone))) == 0
    for path in Path(config.input).iterdir():
        written = undone / rows[path.name]["output"]
        if path.suffix == ".wav" and written.suffix == ".wav":
            assert written.read_bytes() == path.read_bytes(), path.name
        else:
            assert written.exists() and rows[path.name]["gap_rows"] == rows[path.name]["gaps"]
    assert "new.wav" in (output / REPORT).read_text()
    kept = {file.name for file in storage.list_files(str(output / "_restore")) if "records/" not in file.name}
    assert kept == {"manifest.parquet", "gaps.parquet", "report.html", "summary.json", "claim.json"}
    outputs = {name for name in files_of(output) if not name.startswith("_restore/")}
    assert outputs - set(UNKNOWN) == {row["output"] for row in rows.values()}
    assert not [name for name in files_of(output) if name.endswith(".tmp")]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive that was restored and has changed since, with its output."""
    folder = tmp_path_factory.mktemp("interrupted")
    for name in ("a.wav", "b.wav", "c.flac"):
        write_damaged(folder / "in" / name, seconds=0.6)
    run(RestoreConfig(input=str(folder / "in"), output=str(folder / "out"), method=METHOD))
    write_damaged(folder / "in" / "b.wav", gaps=2, first=1500, seconds=0.6)
    write_damaged(folder / "in" / "new.wav", gaps=3, first=1200, seconds=0.6)
    return folder


def undisturbed(before: Path, tmp_path: Path, **options: Any) -> tuple[int, Results]:
    """Return the number of changes that an undisturbed run makes, and its results."""
    count = run(begin(before, tmp_path, **options))
    return count, results_of(tmp_path / "out")


def begin(before: Path, tmp_path: Path, **options: Any) -> RestoreConfig:
    """Lay what was there before the run, and return its settings."""
    for name in ("out", "undone"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    shutil.copytree(before / "out", tmp_path / "out")
    return RestoreConfig(input=str(before / "in"), output=str(tmp_path / "out"), **{"method": METHOD} | options)


def interrupt(
    before: Path, tmp_path: Path, kills: list[int], expected: Results, *, other: dict[str, Any] | None = None
) -> None:
    """Kill a run at a change, the next at another, let one end, and check that it left what an undisturbed one does.

    Args:
        before: what was there.
        tmp_path: where it is laid.
        kills: number of the change of each killed run.
        expected: of an undisturbed run.
        other: settings of the first run.
    """
    config = begin(before, tmp_path)
    for number, killed_at in enumerate(kills):
        run(replace(config, **other) if other and not number else config, killed_at=killed_at)
    run(config)
    check_nothing_is_lost(config, tmp_path)
    assert results_of(tmp_path / "out") == expected, kills


@pytest.mark.usefixtures("blocks")
def test_a_kill_at_any_write_loses_nothing(before: Path, tmp_path: Path) -> None:
    count, expected = undisturbed(before, tmp_path)
    assert count >= 8  # two outputs and two records at most, what was begun, and the views
    for killed_at in range(count):
        interrupt(before, tmp_path, [killed_at], expected)


def test_a_kill_at_any_write_leaves_every_output_with_its_own_difference(before: Path, tmp_path: Path) -> None:
    proof = Proof(difference=True, bag=True)
    count, expected = undisturbed(before, tmp_path, proof=proof)
    assert {"data/a.removed.wav", "data/c.removed.flac"} <= expected[0].keys()
    for killed_at in range(count):
        config = begin(before, tmp_path, proof=proof)
        run(config, killed_at=killed_at)
        for name, path in files_of(tmp_path / "out").items():
            if name.startswith("data/") and not name.endswith(".tmp"):
                assert path.read_bytes() == expected[0][name], (killed_at, name)  # whole, or not there
        run(config)
        files, rows, gaps = results_of(tmp_path / "out")
        tags = {"tagmanifest-sha256.txt"}  # has records, whose names have the number of the attempt
        assert {name: data for name, data in files.items() if name not in tags} == {
            name: data for name, data in expected[0].items() if name not in tags
        }
        assert (rows, gaps) == expected[1:]
        bagit.Bag(str(tmp_path / "out")).validate()


@pytest.mark.usefixtures("blocks")
def test_two_kills_lose_nothing(before: Path, tmp_path: Path) -> None:
    count, expected = undisturbed(before, tmp_path)
    chosen = random.Random(0)
    for _ in range(8):
        interrupt(before, tmp_path, [chosen.randrange(count), chosen.randrange(count)], expected)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    "other",
    [{"method": "silence"}, {"output_format": "flac"}],
    ids=["outputs of the same size", "outputs under other names"],
)
def test_a_killed_run_with_other_settings_leaves_nothing_that_is_not_of_its_output(
    before: Path, tmp_path: Path, other: dict[str, Any]
) -> None:
    _, expected = undisturbed(before, tmp_path)
    count, _ = undisturbed(before, tmp_path, **other)
    assert count >= 10
    for killed_at in range(count + 1):
        interrupt(before, tmp_path, [killed_at], expected, other=other)


def test_kills_of_the_first_run_and_of_one_with_other_settings_lose_nothing(before: Path, tmp_path: Path) -> None:
    count, expected = undisturbed(before, tmp_path)
    chosen = random.Random(1)
    for _ in range(8):
        kills = [chosen.randrange(count), chosen.randrange(count), chosen.randrange(count)]
        interrupt(before, tmp_path, kills, expected, other={"output_format": "flac"})


@pytest.mark.usefixtures("blocks")
def test_a_source_that_is_gone_after_a_kill_loses_no_gaps_and_undo_gives_it_or_refuses(tmp_path: Path) -> None:
    """A run with other settings is killed at each of its writes; then a.wav cannot be read any more."""
    source, output = tmp_path / "in", tmp_path / "out"
    listed = source / "list.txt"
    for name in ("a.wav", "b.wav"):
        write_damaged(source / name, seconds=0.6)
    listed.write_text("a.wav\nb.wav\n")
    original = (source / "a.wav").read_bytes()
    config = RestoreConfig(input=str(listed), output=str(output), method=METHOD)
    run(config)
    shutil.copytree(output, tmp_path / "first")
    first = (output / "a.wav").read_bytes()
    count = run(replace(config, method="silence"))
    seen = set()
    for killed_at in range(count):
        (source / "a.wav").write_bytes(original)
        for name in ("out", "undone"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        shutil.copytree(tmp_path / "first", output)
        run(replace(config, method="silence"), killed_at=killed_at)
        is_replaced = (output / "a.wav").read_bytes() != first
        (source / "a.wav").unlink()
        assert restore_here(config) == 3
        row = next(row for row in read_rows(output) if row.name == "a.wav")
        assert row.status == "failed" and row.output == "a.wav" and row.gap_rows == 1
        gaps = pq.read_table(output / GAPS).filter(pc.field("name") == "a.wav").to_pylist()
        stands = "the earlier result still stands" in row.error
        assert len(gaps) == 1 and (stands or "of an attempt that was cut short" in row.error)
        undo(UndoConfig(output=str(output), to=str(tmp_path / "undone"), name="a.wav"))
        undone = tmp_path / "undone" / "a.wav"
        assert undone.exists() == stands
        assert not stands or undone.read_bytes() == original
        assert stands or is_replaced
        seen.add((is_replaced, stands, gaps[0]["method"]))
    assert seen == {(False, True, METHOD), (True, False, METHOD), (True, True, "silence")}
