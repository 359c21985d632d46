"""Scores by genre: the same numbers however the shards are spread, and baselines in every table."""

import json
from pathlib import Path

import pytest
import torch

from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import shard_uris
from inpaint_ray.errors import CheckpointError, DatasetError
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from inpaint_ray.evaluate.score import TrackScores, score_shard
from inpaint_ray.evaluate.table import tabulate, to_markdown
from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model


def _track(track_id: int, genre: str, patches: int, psnr: float) -> TrackScores:
    sums = {"damaged psnr": 40.0 * patches, "interpolation psnr": 48.0 * patches, "A psnr": psnr * patches}
    return TrackScores(track_id, genre, patches, 1, sums)


def test_means_are_over_patches_and_not_over_tracks() -> None:
    rows = tabulate([_track(1, "Rock", 3, 50.0), _track(2, "Rock", 1, 54.0), _track(3, "Jazz", 4, 41.0)])
    assert [(row.genre, row.tracks, row.patches, row.infinite) for row in rows] == [
        ("Jazz", 1, 4, 1),
        ("Rock", 2, 4, 2),
        ("all", 3, 8, 3),
    ]
    assert [row.gain("A") for row in rows] == pytest.approx([1.0, 11.0, 6.0])


def test_the_best_gain_of_a_row_is_bold_also_where_it_is_interpolation() -> None:
    table = to_markdown(tabulate([_track(1, "Rock", 3, 50.0), _track(3, "Jazz", 4, 41.0)]), ["interpolation", "A"])
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "**8.00**" in lines[2] and "**10.00**" in lines[3]


def test_a_track_goes_to_a_row_and_back() -> None:
    track = _track(7, "Folk", 5, 44.5)
    assert TrackScores.from_row(json.loads(json.dumps(track.to_row()))) == track


def test_every_patch_of_a_shard_is_scored(prepared: Dataset) -> None:
    checkpoint = Checkpoint(model=build_model("Gap_UNet").eval(), architecture="Gap_UNet", scale=prepared.scale)
    uris = shard_uris(prepared, "validation")
    tracks = [
        t for u in uris for t in score_shard(u, {"A": checkpoint}, scale=prepared.scale, device=torch.device("cpu"))
    ]
    assert sum(track.num_patches + track.num_infinite for track in tracks) == prepared.num_patches("validation")
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
    )
    rows = evaluate(config)
    assert [row.genre for row in rows] == ["Classical", "Electronic", "Experimental", "Folk", "Rock", "all"]
    assert rows[-1].patches + rows[-1].infinite == prepared.num_patches("test")
    assert rows[-1].gain("two") == pytest.approx(rows[-1].gain("one"), abs=0.01)
    record = json.loads((tmp_path / "results/results.json").read_text())
    assert record["split"] == "test" and record["rows"][-1]["gains"]["interpolation"] == rows[-1].gain("interpolation")
    page = (tmp_path / "results/results.html").read_text()
    assert "data:image/png;base64," in page and "Experimental" in page
    beaten = rows[-1].gain("one") > rows[-1].gain("interpolation")
    verdict = "one beats linear interpolation" if beaten else "one does NOT beat linear interpolation"
    assert verdict in (tmp_path / "results/results.md").read_text()


def test_an_absent_checkpoint_is_named(prepared: Dataset, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing/best: not a checkpoint"):
        evaluate(EvaluateConfig(data=prepared.uri, checkpoint=("nothing/best",), output=str(tmp_path)))


def test_a_folder_that_is_not_prepared_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset.json there"):
        evaluate(EvaluateConfig(data=str(tmp_path), checkpoint=("a",), output=str(tmp_path)))
