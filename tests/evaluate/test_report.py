"""The files that an evaluation on shards leaves, from scores made by hand."""

import json
import math
from pathlib import Path

import pytest

from inpaint_ray.data.schema import Dataset
from inpaint_ray.errors import DatasetError, FileNameError
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.shards.report import gather, write_report
from inpaint_ray.evaluate.shards.run import _split
from inpaint_ray.evaluate.shards.score import TrackScores


def _dataset(source: str) -> Dataset:
    return Dataset(
        source=source, protocol="official", dtype="float32", scale=90.0, tracks={}, patches={}, shards={}, seconds=1.0,
        rejected=0, absent=0, unlisted=0, grid={}, versions={}, fingerprint="f", wall_s=1.0, uri="shards",
    )  # fmt: skip


def _track(number: int, genre: str, psnr: float, run: int) -> TrackScores:
    means = {"damaged": 40.0, "interpolation": 48.0, "A": psnr}
    sums = {f"{name} psnr": 2 * mean for name, mean in means.items()} | {"A network_psnr": 2 * (psnr - 3)}
    return TrackScores(
        number,
        genre,
        2,
        0,
        sums
        | {f"{name} nrmse": 0.5 for name in means}
        | {f"{name} failed": float(mean == -math.inf) for name, mean in means.items()},
        1 + number % 6,
        run,
    )


def _write(folder: Path, psnr: float, source: str = "music/fma_small") -> tuple[dict, str, str]:
    tracks = [_track(n, ("Rock", "Jazz")[n % 2], psnr + 0.1 * n, (1, 8)[n % 2]) for n in range(12)]
    results = gather(
        tracks,
        dataset=_dataset(source),
        split="test",
        damage=("gap:20",),
        checkpoints={"A": "runs/A/best"},
        architectures={"A": "UNet_v2"},
    )
    write_report(str(folder), results)
    record, text, page = ((folder / f"results.{suffix}").read_text() for suffix in ("json", "md", "html"))
    return json.loads(record), text, page


def test_the_record_has_every_table_with_intervals(tmp_path: Path) -> None:
    record, _, _ = _write(tmp_path, 51.0)
    assert record["format"] == 3 and record["task"] == "magnitude" and record["data_is_fma"]
    assert [row["group"] for row in record["rows"]] == ["Jazz", "Rock", "all"]
    assert [row["group"] for row in record["by_share"]][::5] == ["10-20 %", "60-70 %"]
    assert [row["group"] for row in record["by_run"]] == ["4-12 ms", "32-60 ms"]
    gain = record["rows"][-1]["gains"]["A"]
    assert gain["mean"] == pytest.approx(11.55) and gain["low"] < 11.5 < 11.6 < gain["high"]
    assert record["by_share"][0]["gains"]["A"]["low"] is None  # two tracks
    (pair,) = record["rows"][-1]["comparisons"]
    assert (pair["method"], pair["other"]) == ("A", "interpolation") and pair["p_value"] < 0.01
    assert [each["genre"] for each in record["published"]] == ["Jazz", "Rock"]
    assert record["published"][0]["our_psnr"] == pytest.approx(51.6 - 3)


def test_a_network_that_does_not_beat_interpolation_is_shown_as_such(tmp_path: Path) -> None:
    _, text, page = _write(tmp_path / "worse", 44.0)
    assert "A does NOT beat linear interpolation: -3.4" in text and '<p class="worse">A does NOT beat' in page
    assert '<td class="best">8.00' in page and "<td>NO</td>" in page and "|       NO |" in text
    _, text, page = _write(tmp_path / "better", 51.0)
    assert "A beats linear interpolation: 3.55" in text and "<p>A beats" in page and "<td>yes</td>" in page


@pytest.mark.parametrize("psnr", [47.3, 47.5])
def test_what_an_interval_leaves_open_is_called_so_everywhere(tmp_path: Path, psnr: float) -> None:
    _, text, page = _write(tmp_path, psnr)
    assert "A may or may not beat linear interpolation: " in text and "| not sure |" in text
    assert '<p class="note">A may or may not beat' in page and "<td>not sure</td>" in page


def test_a_network_that_failed_is_named_with_its_count(tmp_path: Path) -> None:
    record, text, page = _write(tmp_path, -math.inf)
    assert record["rows"][-1]["failed"]["A"] == 12 and record["rows"][-1]["gains"]["A"]["mean"] is None
    for shown in (text, page):
        assert "A FAILED: its output is not finite on 12 of 24 patches." in shown and "failed on 12" in shown


def test_a_folder_without_a_page_holds_no_whole_evaluation(tmp_path: Path) -> None:
    _write(tmp_path, 51.0)
    (tmp_path / "results.md").unlink()
    (tmp_path / "results.md").mkdir()  # so that the second file cannot be written
    with pytest.raises(FileNameError):
        _write(tmp_path, 44.0)
    assert not (tmp_path / "results.html").exists()


def test_a_split_without_patches_is_refused_before_anything_is_scored() -> None:
    for split, named in (("train", "split train"), ("auto", "split test or validation")):
        with pytest.raises(DatasetError, match=f"shards: no patches in {named}"):
            _split(EvaluateConfig(data="shards", output="results", split=split), _dataset("music"))


def test_names_that_are_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    tracks = [_track(number, "a|b $x$ <i>", 50.0, 1) for number in range(6)]
    results = gather(
        tracks,
        dataset=_dataset("music"),
        split="test",
        damage=("frames",),
        checkpoints={"A": "runs/A/best"},
        architectures={"A": "Gap_UNet"},
    )
    write_report(str(tmp_path), results)
    table = (tmp_path / "results.md").read_text().split("\n\n")[1].splitlines()
    assert len({len(line) for line in table}) == 1 and "a\\|b $x$ <i>" in table[2]
    assert "a|b $x$ &lt;i&gt;" in (tmp_path / "results.html").read_text()


def test_published_figures_are_marked_where_the_data_are_not_fma(tmp_path: Path) -> None:
    assert "OTHER DATA" not in _write(tmp_path / "fma", 51.0)[1]
    _, text, page = _write(tmp_path / "other", 51.0, source="music/fma_music")
    assert "OTHER DATA" in text and "<b>Other data</b>" in page
