"""Scores by genre: the same numbers however the shards are spread, and baselines in every table."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import PatchRows, shard_uris
from inpaint_ray.errors import CheckpointError, DatasetError, UsageError
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from inpaint_ray.evaluate.shards import published, score
from inpaint_ray.evaluate.shards.published import is_fma, published_figures
from inpaint_ray.evaluate.shards.run import name_checkpoints
from inpaint_ray.evaluate.shards.score import TrackScores, classify, score_shard
from inpaint_ray.evaluate.shards.table import run_label, share_label, tabulate, tabulate_shares, to_json, to_markdown
from inpaint_ray.filling.spectrogram import HIGHEST_PSNR
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
from inpaint_ray.models.registry import ARCHITECTURES, build_model


def _track(track_id: int, genre: str, patches: int, psnr: float, share: int = 1) -> TrackScores:
    sums = {"damaged psnr": 40.0 * patches, "interpolation psnr": 48.0 * patches, "A psnr": psnr * patches}
    sums |= {"damaged failed": 0.0, "interpolation failed": 0.0, "A failed": float(psnr == -math.inf)}
    return TrackScores(track_id, genre, patches, 1, sums, share=share)


def test_means_are_over_patches_and_not_over_tracks() -> None:
    rows = tabulate([_track(1, "Rock", 3, 50.0), _track(2, "Rock", 1, 54.0), _track(3, "Jazz", 4, 41.0)])
    assert [(row.group, row.tracks, row.patches, row.silent) for row in rows] == [
        ("Jazz", 1, 4, 1),
        ("Rock", 2, 4, 2),
        ("all", 3, 8, 3),
    ]
    assert [row.gain("A") for row in rows] == pytest.approx([1.0, 11.0, 6.0])


def test_a_track_in_several_shards_and_classes_of_damage_is_one_track() -> None:
    tracks = [_track(1, "Rock", 3, 50.0), _track(1, "Rock", 1, 54.0, share=6), _track(2, "Rock", 4, 41.0)]
    assert [(row.tracks, row.patches) for row in tabulate(tracks)] == [(2, 8), (2, 8)]
    assert [(row.group, row.patches, row.gain("A")) for row in tabulate_shares(tracks)] == [
        ("10-20 %", 7, pytest.approx((3 * 10 + 4 * 1) / 7)),
        ("60-70 %", 1, pytest.approx(14.0)),
    ]


def test_no_order_of_the_tracks_changes_a_digit() -> None:
    tracks = [_track(number, "Rock", 1 + number % 5, 40 + 10 / (number + 1)) for number in range(40)]
    assert to_json(tabulate(tracks)) == to_json(tabulate(tracks[::-1]))


def test_the_best_gain_of_a_row_is_bold_also_where_it_is_interpolation() -> None:
    table = to_markdown(tabulate([_track(1, "Rock", 3, 50.0), _track(3, "Jazz", 4, 41.0)]), ["interpolation", "A"])
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "**8.00**" in lines[2] and "**10.00**" in lines[3]


@pytest.mark.parametrize(
    ("lost", "share", "run"),
    [([5], "0-10 %", "4-12 ms"), (range(10, 26), "10-20 %", "64-124 ms"), (range(0, 128, 2), "50-60 %", "4-12 ms")],
)
def test_damage_is_classed_by_share_and_longest_run(lost: list[int], share: str, run: str) -> None:
    frames = np.zeros(128, dtype=bool)
    frames[list(lost)] = True
    found = classify(frames)
    assert (share_label(found[0]), run_label(found[1])) == (share, run)


def test_a_track_goes_to_a_row_and_back() -> None:
    track = _track(7, "Folk", 5, 44.5)
    assert TrackScores.from_row(json.loads(json.dumps(track.to_row()))) == track


def test_published_figures_stand_beside_ours_and_other_data_are_told_apart() -> None:
    figures = published_figures("UNet_v2", "test")
    assert figures["Experimental"].psnr == 58.25 and figures["Experimental"].gain == pytest.approx(58.25 - 46.191)
    assert figures["Rock"].gain is None
    assert published_figures("Gap_UNet", "test") == {}
    assert is_fma("s3://bucket/fma_large/") and is_fma("/data/fma_full.zip") and not is_fma("/music/fma_music")


def test_every_published_architecture_is_one_of_ours() -> None:
    names = json.loads(Path(published.__file__).with_name("published.json").read_text())["architectures"]
    for name, figures in names.items():
        assert ARCHITECTURES[name].published_psnr == pytest.approx(figures["validation_psnr"], abs=0.006)


class FailsOnLoud(nn.Module):
    """Gives back the truth of quiet patches, whose every bin is below 0.5, and a constant for the others."""

    def __init__(self, output: float) -> None:
        super().__init__()
        self.output = output

    def forward(self, magnitudes: torch.Tensor) -> torch.Tensor:
        loud = magnitudes.amax(dim=(-2, -1), keepdim=True) > 0.5
        return torch.where(loud, self.output, magnitudes.amax(dim=-2, keepdim=True).expand_as(magnitudes))


def _score(monkeypatch: pytest.MonkeyPatch, model: nn.Module) -> list[TrackScores]:
    """Scores of three patches: of silence, of one quiet constant, and of a loud one that moves."""
    silent = np.zeros((128, 128), np.float32)
    loud = silent + 1.0
    loud[::2] = 2.0
    genres = ["Rock", "Folk", "Jazz"]
    rows = PatchRows(np.array([1, 2, 3]), genres, np.zeros(3, np.int16), np.stack([silent, silent + 0.2, loud]))
    monkeypatch.setattr(score, "read_rows", lambda uris: iter([rows]))
    checkpoint = Checkpoint(model=model.eval(), architecture="Gap_UNet", scale=2.0)
    return score_shard("any", {"A": checkpoint}, scale=2.0, device=torch.device("cpu"))


def test_patches_of_silence_are_left_out_and_perfect_ones_count_with_the_highest_psnr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folk, jazz, rock, total = tabulate(_score(monkeypatch, FailsOnLoud(0.7)))
    assert [(row.patches, row.silent) for row in (folk, jazz, rock, total)] == [(1, 0), (1, 0), (0, 1), (2, 1)]
    assert folk.means["A psnr"] == folk.means["interpolation psnr"] == HIGHEST_PSNR
    assert np.isfinite(list(total.means.values())).all() and not any(total.failed.values())


@pytest.mark.parametrize("output", [math.nan, math.inf, -math.inf])
def test_a_network_that_fails_on_loud_patches_has_no_gain_there_and_never_wins(
    monkeypatch: pytest.MonkeyPatch, output: float
) -> None:
    rows = tabulate(_score(monkeypatch, FailsOnLoud(output)))
    folk, jazz, _, total = rows
    assert [row.failed["A"] for row in rows] == [0, 1, 0, 1]
    assert folk.means["A psnr"] == HIGHEST_PSNR and jazz.gain("A") == total.gain("A") == -math.inf
    assert total.means["A nrmse"] == math.inf and not total.failed["wiener"]
    assert not total.is_best("A") and total.is_best("interpolation") != total.is_best("wiener")
    assert {c.answer for c in total.comparisons if c.method == "A"} == {"NO"}
    lines = to_markdown(rows, ["interpolation", "wiener", "A"]).splitlines()
    assert "failed on 1 |" in lines[3] and "failed on 1 |" in lines[5] and "failed" not in lines[2]
    assert to_json(rows)[-1]["gains"]["A"] == {"mean": None, "low": None, "high": None}


def test_a_row_without_any_gain_has_no_best() -> None:
    empty = tabulate([_track(1, "Rock", 0, 50.0)])[-1]
    assert math.isnan(empty.gain("A")) and not empty.is_best("A")
    assert "**" not in to_markdown([empty], ["interpolation", "A"])


def test_every_patch_of_a_shard_is_scored(prepared: Dataset) -> None:
    checkpoint = Checkpoint(model=build_model("Gap_UNet").eval(), architecture="Gap_UNet", scale=prepared.scale)
    uris = shard_uris(prepared, "validation")
    tracks = [
        t for u in uris for t in score_shard(u, {"A": checkpoint}, scale=prepared.scale, device=torch.device("cpu"))
    ]
    assert sum(track.num_patches + track.num_silent for track in tracks) == prepared.num_patches("validation")
    for track in tracks:  # an untrained network of ours is the interpolation
        assert track.sums["A psnr"] == pytest.approx(track.sums["interpolation psnr"], rel=1e-3)


@pytest.mark.ray
def test_the_job_writes_tables_for_programs_and_people(prepared: Dataset, tmp_path: Path) -> None:
    model = build_model("Gap_UNet")
    for name, scale in (("one", prepared.scale), ("two", 3 * prepared.scale)):  # two as if trained on louder data
        save_checkpoint(Checkpoint(model=model, architecture="Gap_UNet", scale=scale), tmp_path / name / "best")
    config = EvaluateConfig(
        data=prepared.uri,
        checkpoint=(str(tmp_path / "one/best"), str(tmp_path / "two/best")),
        output=str(tmp_path / "results"),
        actors=Actors(num_actors=1),
    )
    rows = evaluate(config)
    assert [row.group for row in rows] == ["Classical", "Electronic", "Experimental", "Folk", "Rock", "all"]
    assert rows[-1].patches + rows[-1].silent == prepared.num_patches("test")
    assert rows[-1].gain("two") == pytest.approx(rows[-1].gain("one"), abs=0.01)
    record = json.loads((tmp_path / "results/results.json").read_text())
    assert record["format"] == 3 and record["split"] == "test" and not record["data_is_fma"]
    assert record["rows"][-1]["gains"]["interpolation"]["mean"] == rows[-1].gain("interpolation")
    assert sum(row["patches"] + row["silent"] for row in record["by_share"]) == prepared.num_patches("test")
    assert sum(row["patches"] + row["silent"] for row in record["by_run"]) == prepared.num_patches("test")
    page = (tmp_path / "results/results.html").read_text()
    assert "data:image/png;base64," in page and "Experimental" in page
    gains = {name: rows[-1].gain(name) for name in ("interpolation", "wiener")}
    best = "Wiener interpolation" if gains["wiener"] > gains["interpolation"] else "linear interpolation"
    assert f"one may or may not beat {best}" in (tmp_path / "results/results.md").read_text()  # five tracks

    evaluate(replace(config, output=str(tmp_path / "again"), actors=Actors(num_actors=3)))
    assert json.loads((tmp_path / "again/results.json").read_text()) == record  # whatever the number of actors


def test_an_absent_checkpoint_is_named(prepared: Dataset, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing/best: not a checkpoint"):
        evaluate(EvaluateConfig(data=prepared.uri, checkpoint=("nothing/best",), output=str(tmp_path)))


def test_shards_without_a_checkpoint_are_a_wrong_usage(prepared: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--checkpoint needs"):
        evaluate(EvaluateConfig(data=prepared.uri, output=str(tmp_path)))


@pytest.mark.parametrize(
    ("uris", "names"),
    [
        (("runs/A/best", "runs/B/last", "pretrained"), ["A", "B", "pretrained"]),
        (
            ("x/wiener/best", "y/damaged", "interpolation"),
            [f"checkpoint {name}" for name in ("wiener", "damaged", "interpolation")],
        ),
        (("x/wiener/best", "y/wiener/best"), ["checkpoint wiener", "checkpoint wiener 2"]),
        (("x/a 2/best", "y/a/best", "z/a/best"), ["a 2", "a", "a 3"]),
        (("x/all/best", "x/all/best", "my run"), ["all", "all 2", "my run"]),
    ],
)
def test_checkpoints_are_told_apart_from_each_other_and_from_baselines(uris: tuple[str, ...], names: list[str]) -> None:
    assert name_checkpoints(uris) == names


def test_a_folder_that_is_not_prepared_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset.json there"):
        evaluate(EvaluateConfig(data=str(tmp_path), checkpoint=("a",), output=str(tmp_path)))
