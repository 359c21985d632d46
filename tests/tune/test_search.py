"""Searches for real: a killed one, schedulers and samplers, mistakes."""

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ray.tune.experiment import Trial

from benchmarks.tune import kill_family
from inpaint_ray.data.schema import Dataset
from inpaint_ray.errors import DatasetError, UsageError
from inpaint_ray.train.config import Budget, Optimisation, Workers
from inpaint_ray.tune.config import TuneConfig
from inpaint_ray.tune.search import make_asha, search

REPOSITORY = Path(__file__).resolve().parents[2]


def config_of(prepared: Dataset, folder: Path, **changes: object) -> TuneConfig:
    whole = TuneConfig(
        data=prepared.uri,
        output=str(folder),
        architectures=("Gap_UNet", "UNet_Sun"),
        budget=Budget(epochs=2, patches_per_epoch=24, validation_patches=5),
        optimisation=Optimisation(batch_size=8),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.ray
@pytest.mark.faults
def test_a_search_that_is_killed_goes_on_and_then_is_done(prepared: Dataset, tmp_path: Path) -> None:
    """A search with three kills, beside one that is left alone: python -m benchmarks.tune --kills 3."""
    config = config_of(prepared, tmp_path, architectures=("Gap_UNet", "UNet_Sun"))
    command = [sys.executable, "-m", "benchmarks.tune", "--search", json.dumps(asdict(config))]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as job:
        assert job.stdout is not None
        assert any("epoch 1/2  loss" in line for line in job.stdout)
        kill_family(job.pid)
    entries = search(config)
    assert {(entry.trial, entry.epochs, entry.patches, entry.stopped) for entry in entries} == {
        ("Gap_UNet", 2, 48, "finished"), ("UNet_Sun", 2, 48, "finished")
    }  # fmt: skip
    before = (tmp_path / "tune/trials/Gap_UNet/metrics.csv").read_bytes()
    assert search(config) == entries  # all is there: nothing is trained
    assert (tmp_path / "tune/trials/Gap_UNet/metrics.csv").read_bytes() == before


@pytest.mark.ray
@pytest.mark.slow
def test_asha_stops_what_is_behind_and_a_failure_is_a_row(prepared: Dataset, tmp_path: Path) -> None:
    """After an epoch at 1e-9 the network is what it was, 1 dB behind; at 1e30 it is not finite after a step."""
    rates = ("learning-rate=1e-3,1e-9,1e30",)
    budget = Budget(epochs=6, patches_per_epoch=24, validation_patches=5)
    config = config_of(
        prepared,
        tmp_path,
        architectures=("UNet_Sun",),
        space=rates,
        samples=3,
        scheduler="asha",
        seed=11,
        budget=budget,
    )
    assert [settings["learning-rate"] for _, settings in config.planned()] == [1e-3, 1e-9, 1e30]
    best, behind, failed = search(config)
    assert (best.settings["learning-rate"], best.epochs, best.stopped) == (1e-3, 6, "finished")
    assert (behind.settings["learning-rate"], behind.stopped) == (1e-9, "stopped by ASHA")
    assert 1 <= behind.epochs < 6  # it goes on until it is told
    assert (failed.settings["learning-rate"], failed.epochs) == (1e30, 0)
    assert failed.stopped.split(" in a batch")[0] in {
        f"{start}loss is {value}" for start in ("", "training UNet_Sun failed: ") for value in ("nan", "inf")
    }


def test_a_search_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    config = TuneConfig(data=str(tmp_path / "shards"), output=str(tmp_path), architectures=("Gap_UNet",))
    for name in ("best/thesis.txt", "leaderboard.csv"):
        (tmp_path / "tune" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tune" / name).write_text("mine")
    with pytest.raises(UsageError, match=r"tune holds something else \(best/thesis.txt\); give another --run-name"):
        search(config)
    (tmp_path / "tune/trials/Gap_UNet").mkdir(parents=True)
    for record in ("mine", "[]", "{}"):
        (tmp_path / "tune/trials/Gap_UNet/run.json").write_text(record)
        with pytest.raises(UsageError, match="tune holds something else"):
            search(config)
    (tmp_path / "tune/trials/Gap_UNet/run.json").write_text('{"architecture": "Gap_UNet"}')  # a search began here
    with pytest.raises(DatasetError, match="no dataset.json there"):
        search(config)


def test_a_folder_is_not_a_search_by_the_names_of_its_folders(tmp_path: Path) -> None:
    config = TuneConfig(data=str(tmp_path / "shards"), output=str(tmp_path), architectures=("Gap_UNet",))
    for name in ("best/thesis.txt", "trials/patients.csv", "tune/song.wav"):
        (tmp_path / "tune" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tune" / name).write_text("mine")
    with pytest.raises(UsageError, match="tune holds something else"):
        search(config)


@pytest.mark.parametrize(
    "name",
    [
        "tune/.validate_storage_marker",
        "tune/tuner.pkl",
        "tune/experiment_state-2026-01-01_00-00-00.json",
        f"trials/Gap_UNet/run.json.{'a' * 32}.tmp",
    ],
)
def test_a_search_that_was_cut_short_before_its_first_trial_goes_on(tmp_path: Path, name: str) -> None:
    (tmp_path / "tune" / name).parent.mkdir(parents=True)
    (tmp_path / "tune" / name).write_text("")
    with pytest.raises(DatasetError, match="no dataset.json there"):
        search(TuneConfig(data=str(tmp_path / "shards"), output=str(tmp_path), architectures=("Gap_UNet",)))


def test_asha_stops_what_is_behind_though_the_first_trial_failed() -> None:
    scheduler, decisions = make_asha(6), []
    for gain in (-math.inf, 3.0, -5.0, -6.0, 2.0):
        trial = Trial("any", stub=True)
        scheduler.on_trial_add(None, trial)
        decisions.append(scheduler.on_trial_result(None, trial, {"epoch": 1, "gain": gain}))
    assert decisions == ["CONTINUE", "CONTINUE", "STOP", "STOP", "CONTINUE"]


def test_what_does_not_fit_is_refused_with_what_would(prepared: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"need 8 CPUs \(the cluster has 4 CPUs\); use --max-concurrent 4"):
        search(config_of(prepared, tmp_path, max_concurrent=8))
    with pytest.raises(UsageError, match=r"the cluster has 0 GPUs\); leave --use-gpu out$"):
        search(config_of(prepared, tmp_path, workers=Workers(use_gpu=True)))
