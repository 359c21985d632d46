"""The training job: two workers, a run that goes on, and refusals."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from inpaint_ray.data.schema import Dataset
from inpaint_ray.errors import CheckpointError, DatasetError, UsageError
from inpaint_ray.models.checkpoint import load_checkpoint
from inpaint_ray.train.config import Budget, TrainConfig
from inpaint_ray.train.state import read_metrics
from inpaint_ray.train.trainer import train


@pytest.mark.ray
@pytest.mark.slow
def test_two_workers_train_and_the_same_command_goes_on(prepared: Dataset, tmp_path: Path) -> None:
    config = TrainConfig(
        data=prepared.uri,
        output=str(tmp_path),
        architecture="Gap_UNet",
        num_workers=2,
        batch_size=8,
        budget=Budget(epochs=1),
    )
    train(config)
    first = (tmp_path / "Gap_UNet" / "metrics.csv").read_text()
    best = train(replace(config, budget=Budget(epochs=2)))  # goes on from epoch 1
    history = read_metrics((tmp_path / "Gap_UNet" / "metrics.csv").read_text())
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[0] == read_metrics(first)[0]
    assert history[0]["patches"] == 24  # of 25: shards of two workers are equal, the odd patch is dropped
    assert best["gain"] > 1
    checkpoint = load_checkpoint(tmp_path / "Gap_UNet" / "best")
    assert (checkpoint.architecture, checkpoint.scale) == ("Gap_UNet", prepared.scale)
    assert checkpoint.training["scores"]["gain"] == pytest.approx(best["gain"], abs=1e-5)
    assert {p.name for p in (tmp_path / "Gap_UNet" / "last").iterdir()} == {"model.safetensors", "config.json"}
    for name in ("curves.png", "examples.png"):
        assert (tmp_path / "Gap_UNet" / name).read_bytes().startswith(b"\x89PNG")
    assert train(replace(config, budget=Budget(epochs=2))) == best  # complete: no Ray Train is started


def test_a_run_with_other_settings_is_refused_with_the_differences(prepared: Dataset, tmp_path: Path) -> None:
    config = TrainConfig(data=prepared.uri, output=str(tmp_path), architecture="UNet", run_name="a", batch_size=4)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "run.json").write_text(json.dumps(config.identity()))
    with pytest.raises(UsageError, match=r"batch_size was 4, now 6; learning_rate was 0.001, now 0.01; give another"):
        train(replace(config, batch_size=6, learning_rate=0.01))


def test_a_run_folder_that_holds_something_else_is_left_alone(prepared: Dataset, tmp_path: Path) -> None:
    (tmp_path / "UNet").mkdir()
    (tmp_path / "UNet" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"UNet holds something else \(thesis.txt\); give another --run-name"):
        train(TrainConfig(data=prepared.uri, output=str(tmp_path), architecture="UNet"))


def test_a_folder_that_is_not_prepared_says_what_to_run(tmp_path: Path) -> None:
    config = TrainConfig(data=str(tmp_path), output=str(tmp_path / "runs"), architecture="UNet")
    with pytest.raises(DatasetError, match="no dataset.json there.*run jobs/prepare.py"):
        train(config)


def test_first_weights_must_be_of_the_same_architecture(prepared: Dataset, tmp_path: Path) -> None:
    config = TrainConfig(data=prepared.uri, output=str(tmp_path), architecture="UNet", init_from=str(tmp_path / "no"))
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        train(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_workers": 3}, "--batch-size 58 is not a multiple of --num-workers 3"),
        ({"learning_rate": 0.0}, "--learning-rate must be above 0"),
        ({"run_name": "../up"}, "--run-name is one folder's name"),
        ({"architecture": "unet"}, "unknown architecture 'unet'"),
        ({"budget": Budget(epochs=0)}, "--epochs must be at least 1, got 0"),
    ],
)
def test_settings_that_cannot_work_name_the_flag(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TrainConfig(data="d", output="o", architecture="UNet"), **changes)
