"""The files that an evaluation on shards leaves, from scores made by hand."""

import json
from pathlib import Path

import pytest

from inpaint_ray.data.schema import Dataset
from inpaint_ray.evaluate.report import gather, write_report
from inpaint_ray.evaluate.score import TrackScores


def _dataset(source: str) -> Dataset:
    return Dataset(
        source=source, protocol="official", dtype="float32", scale=90.0, tracks={}, patches={}, shards={}, seconds=1.0,
        rejected=0, absent=0, unlisted=0, grid={}, versions={}, fingerprint="f", wall_s=1.0, uri="shards",
    )  # fmt: skip


def _track(number: int, genre: str, psnr: float, run: int) -> TrackScores:
    means = {"damaged": 40.0, "interpolation": 48.0, "A": psnr}
    sums = {f"{name} psnr": 2 * mean for name, mean in means.items()} | {"A network_psnr": 2 * (psnr - 3)}
    return TrackScores(number, genre, 2, 0, sums | {f"{name} nrmse": 0.5 for name in means}, 1 + number % 6, run)


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
    assert record["format"] == 2 and record["task"] == "magnitude" and record["data_is_fma"]
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
    assert '<td class="best">8.00' in page
    _, text, _ = _write(tmp_path / "unsure", 47.5)
    assert "an interval that holds zero" in text


def test_published_figures_are_marked_where_the_data_are_not_fma(tmp_path: Path) -> None:
    assert "OTHER DATA" not in _write(tmp_path / "fma", 51.0)[1]
    _, text, page = _write(tmp_path / "other", 51.0, source="music/fma_music")
    assert "OTHER DATA" in text and "<b>Other data</b>" in page
