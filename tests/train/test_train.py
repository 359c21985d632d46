"""The training job: two workers, a run that goes on, and refusals."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from inpaint_ray.data.schema import Dataset
from inpaint_ray.errors import CheckpointError, DatasetError, JobFailedError, UsageError
from inpaint_ray.models.checkpoint import load_checkpoint
from inpaint_ray.train.config import Budget, Optimisation, TrainConfig, Workers
from inpaint_ray.train.state import read_metrics
from inpaint_ray.train.trainer import train

SMALL = Optimisation(batch_size=8)
REPOSITORY = Path(__file__).parents[2]


def _config(data: str, output: Path, **changes: object) -> TrainConfig:
    config = TrainConfig(
        data=data, output=str(output), architecture="Gap_UNet", optimisation=SMALL, budget=Budget(epochs=2)
    )
    return replace(config, **changes)


@pytest.mark.ray
@pytest.mark.slow
def test_two_workers_then_one_train_as_one_alone(prepared: Dataset, tmp_path: Path) -> None:
    """Gap_UNet has no batch normalisation: what is left is the rounding of sums in another order."""
    alone = _config(prepared.uri, tmp_path / "alone")
    both = _config(prepared.uri, tmp_path / "both", workers=Workers(num_workers=2), budget=Budget(epochs=1))
    train(alone)
    train(both)
    best = train(replace(both, workers=Workers(), budget=Budget(epochs=2)))  # goes on from epoch 1 with one worker
    run = tmp_path / "both" / "Gap_UNet"
    expected, history = (
        read_metrics((tmp_path / name / "Gap_UNet" / "metrics.csv").read_text()) for name in ("alone", "both")
    )
    assert [row["epoch"] for row in history] == [1, 2]
    assert [row["workers"] for row in history] == [2, 1]
    assert [row["patches"] for row in history] == [25, 25]  # each patch once
    for name, tolerance in (("train_loss", 1e-3), ("psnr", 1e-3), ("damaged_psnr", 1e-5), ("gain_Rock", 1e-3)):
        assert [row[name] for row in history] == pytest.approx([row[name] for row in expected], abs=tolerance)
    assert best["gain"] > 1
    checkpoint = load_checkpoint(run / "best")
    assert (checkpoint.architecture, checkpoint.scale) == ("Gap_UNet", prepared.scale)
    assert checkpoint.training["scores"]["gain"] == pytest.approx(best["gain"], abs=1e-5)
    assert {p.name for p in (run / "last").iterdir()} == {"model.safetensors", "config.json", "README.md"}
    for name in ("curves.png", "examples.png"):
        assert (run / name).read_bytes().startswith(b"\x89PNG")
    assert "Gap_UNet, epoch 2 of 2" in (run / "run.html").read_text()
    assert b"gain/Rock" in (run / "tensorboard/events.out.tfevents.0.inpaint_ray").read_bytes()
    assert train(replace(both, budget=Budget(epochs=2))) == best  # complete: no Ray Train is started


@pytest.mark.ray
@pytest.mark.faults
def test_a_run_that_is_killed_within_an_epoch_goes_on_from_the_step_that_was_saved(
    prepared: Dataset, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = "--architecture Gap_UNet --batch-size 2 --epochs 1 --patches-per-epoch 160"
    command = [sys.executable, "jobs/train.py", "--data", prepared.uri, "--output", str(tmp_path), *flags.split()]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as job:
        assert job.stdout is not None
        assert any("saved at step 20 of 80" in line for line in job.stdout)
        while not (tmp_path / "Gap_UNet/state/checkpoint_manager_snapshot.json").exists():  # Ray Train's note of it
            assert job.poll() is None, "it ended before Ray Train took note of what was saved"
            time.sleep(0.02)
        job.kill()
    assert not (tmp_path / "Gap_UNet" / "metrics.csv").exists()
    budget = Budget(epochs=1, patches_per_epoch=160)
    train(_config(prepared.uri, tmp_path, optimisation=Optimisation(batch_size=2), budget=budget))
    assert "goes on with epoch 1, step 21" in "".join(capfd.readouterr())
    (row,) = read_metrics((tmp_path / "Gap_UNet" / "metrics.csv").read_text())
    assert row["patches"] == 160


@pytest.mark.ray
@pytest.mark.slow
def test_a_run_that_cannot_go_well_stops_and_says_why(prepared: Dataset, tmp_path: Path) -> None:
    config = _config(prepared.uri, tmp_path, optimisation=replace(SMALL, learning_rate=1e30))
    with pytest.raises(JobFailedError, match=r"loss is (nan|inf) in a batch of track:patch \d+:\d+, .*learning-rate"):
        train(config)
    assert not (tmp_path / "Gap_UNet" / "best").exists()


@pytest.mark.ray
def test_workers_that_there_is_no_room_for_are_named(
    prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(prepared.uri, tmp_path, workers=Workers(use_gpu=True, wait_s=1.0))
    with pytest.raises(UsageError, match=r"1 workers need 1 GPUs \(the cluster has 0 GPUs\); leave --use-gpu out$"):
        train(config)
    many = replace(config, workers=Workers(num_workers=8, cpus_per_worker=2, wait_s=1.0))
    with pytest.raises(
        UsageError, match=r"need 16 CPUs \(the cluster has 4 CPUs\); lower --num-workers, or lower --cpus-per-worker$"
    ):
        train(many)
    monkeypatch.setenv("RAY_ADDRESS", "of a cluster, which may grow")
    with pytest.raises(UsageError, match=r"\(the cluster has 0 GPUs\), after 1s; .* or wait longer with --wait-s"):
        train(config)


def test_a_run_with_other_settings_is_refused_with_the_differences(prepared: Dataset, tmp_path: Path) -> None:
    config = TrainConfig(data=prepared.uri, output=str(tmp_path), architecture="UNet", run_name="a")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "run.json").write_text(json.dumps(config.identity()))
    with pytest.raises(UsageError, match=r"batch_size was 58, now 6; learning_rate was 0.001, now 0.01; give another"):
        train(replace(config, optimisation=Optimisation(batch_size=6, learning_rate=0.01)))


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
    with pytest.raises(UsageError, match="--init-from pretrained is a Wiener_Tower, --architecture is UNet"):
        train(replace(config, init_from="pretrained"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workers": Workers(num_workers=59)}, "--batch-size must be at least 59, got 58"),
        (
            {"optimisation": Optimisation(batch_norm="sync", accumulate=2), "workers": Workers(use_gpu=True)},
            "--batch-norm sync takes statistics of the whole batch, --accumulate computes parts of it",
        ),
        ({"workers": Workers(num_workers=2, min_workers=3)}, "--min-workers 3 is more than --num-workers 2"),
        ({"workers": Workers(cache=("s3://music/cache",))}, "--cache is a folder of each node"),
        ({"workers": Workers(cache=("/dev/shm/x",))}, "/dev/shm has Ray's object store"),
        ({"workers": Workers(cache=("/a", "/b"))}, "one folder, `device`, or both"),
        ({"optimisation": Optimisation(learning_rate=0.0)}, "--learning-rate must be above 0"),
        ({"optimisation": Optimisation(ema=1.0)}, "--ema is a decay between 0 and 1"),
        ({"optimisation": Optimisation(batch_norm="sync")}, "--batch-norm sync needs --use-gpu"),
        ({"damage": ("noise",)}, "--damage noise: give frames"),
        ({"run_name": "../up"}, "--run-name is one folder's name"),
        ({"architecture": "unet"}, "unknown architecture 'unet'"),
        ({"budget": Budget(epochs=0)}, "--epochs must be at least 1, got 0"),
    ],
)
def test_settings_that_cannot_work_name_the_flag(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TrainConfig(data="d", output="o", architecture="UNet"), **changes)
