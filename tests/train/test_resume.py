"""Resuming of runs under their name, and refusals; without Ray, on runs that are complete."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inpaint_ray.data.schema import DATASET, Dataset, read_dataset
from inpaint_ray.errors import JobFailedError, UsageError
from inpaint_ray.train.config import Budget, Optimisation, TrainConfig
from inpaint_ray.train.state import metrics_csv
from inpaint_ray.train.trainer import _claim, train

ROW = {"epoch": 1.0, "psnr": 40.0, "gain": 9.0, "interpolation_gain": 8.0, "seconds": 60.0}
COSINE = Optimisation(schedule="cosine")


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    """A run of one epoch on shards of their own."""
    _prepare(tmp_path)
    budget = Budget(epochs=1)
    return TrainConfig(data=str(tmp_path), output=str(tmp_path / "runs"), architecture="UNet", budget=budget)


def _prepare(folder: Path, **changes: Any) -> None:
    """A record of shards, which themselves are not read where a run is complete."""
    dataset = Dataset(
        source="music",
        protocol="folders",
        dtype="float32",
        scale=100.0,
        tracks={},
        patches={split: {"Rock": 100} for split in ("train", "validation")},
        shards={},
        seconds=1.0,
        rejected=0,
        absent=0,
        unlisted=0,
        grid={},
        versions={},
        fingerprint="of the first",
        wall_s=1.0,
    )
    (folder / DATASET).write_bytes(replace(dataset, **changes).to_json())


def _complete(config: TrainConfig, *, forget: tuple[str, ...] = ()) -> Path:
    """Make the run one that was trained to its end, and its record without some settings; gives the record's path."""
    run = Path(config.output) / config.name
    run.mkdir(parents=True)
    dataset = read_dataset(config.data)
    record = config.identity() | {"data_fingerprint": dataset.fingerprint, "data_contents": dataset.contents}
    kept = {name: value for name, value in record.items() if name not in forget}
    (run / "run.json").write_text(json.dumps(kept))
    (run / "metrics.csv").write_text(metrics_csv([ROW]))
    return run / "run.json"


def test_a_run_on_shards_that_were_prepared_anew_is_refused(config: TrainConfig) -> None:
    _complete(config)
    assert train(config) == ROW
    _prepare(Path(config.data), fingerprint="of the second")
    with pytest.raises(UsageError, match="data_fingerprint was 'of the first', now 'of the second'; give another"):
        train(config)


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": 90.0},
        {"patches": {"train": {"Rock": 4000}, "validation": {"Rock": 100}}},
        {"grid": {"hop": 65}},
        {"dtype": "float16"},
    ],
)
def test_a_run_on_other_contents_of_the_same_files_is_refused(config: TrainConfig, changes: dict[str, Any]) -> None:
    _complete(config)
    _prepare(Path(config.data), **changes)
    with pytest.raises(UsageError, match=r"data_contents was '\w+', now '\w+'; give another --run-name"):
        train(config)


@pytest.mark.parametrize("record", ['{"experiment": "jogging"}', "{}", '["mine"]', '"mine"', "5"])
def test_a_record_that_is_none_of_ours_is_left_alone(config: TrainConfig, record: str) -> None:
    path = _complete(config)
    path.write_text(record)
    with pytest.raises(UsageError, match=r"UNet holds something else \(run.json\); give another --run-name"):
        train(config)
    assert path.read_text() == record


def test_a_damaged_record_is_said_to_be_one(config: TrainConfig) -> None:
    _complete(config).write_text("")
    with pytest.raises(UsageError, match=r"run.json is damaged; give another --run-name, or delete that folder"):
        train(config)


def test_what_a_killed_run_had_begun_to_write_is_no_hindrance_and_is_cleared(config: TrainConfig) -> None:
    run = Path(config.output) / config.name
    run.mkdir(parents=True)
    (run / f"run.json.{32 * 'a'}.tmp").write_text("{")
    _claim(str(run), config, read_dataset(config.data))
    (run / f"metrics.csv.{32 * 'b'}.tmp").write_text("epoch")
    _claim(str(run), config, read_dataset(config.data))
    assert [path.name for path in run.iterdir()] == ["run.json"]


def test_a_run_whose_every_epoch_failed_is_a_failure(config: TrainConfig) -> None:
    run = _complete(config).parent
    (run / "metrics.csv").write_text(metrics_csv([ROW | {"psnr": -math.inf, "gain": -math.inf}]))
    with pytest.raises(JobFailedError, match="its output was not finite on some validation patches in every epoch"):
        train(config)


def test_a_split_without_patches_names_the_way_to_have_some(config: TrainConfig) -> None:
    _prepare(Path(config.data), patches={"train": {"Rock": 100}})
    with pytest.raises(UsageError, match=r"no patches in split validation; prepare more tracks, or .* manifest"):
        train(config)


def test_epochs_that_would_make_the_learning_rate_jump_are_refused(config: TrainConfig) -> None:
    config = replace(config, optimisation=COSINE)
    _complete(config)
    assert train(config) == ROW
    with pytest.raises(UsageError, match="epochs was 1, now 2; give another --run-name"):
        train(replace(config, budget=Budget(epochs=2)))


def test_a_run_at_a_constant_learning_rate_may_be_made_longer(config: TrainConfig) -> None:
    assert config.identity() == replace(config, budget=Budget(epochs=2)).identity()


def test_epochs_are_compared_by_the_same_validation_patches(config: TrainConfig) -> None:
    _complete(config)
    with pytest.raises(UsageError, match="validation_patches was None, now 50; give another --run-name"):
        train(replace(config, budget=Budget(epochs=1, validation_patches=50)))


def test_a_run_of_before_goes_on_and_what_could_not_be_compared_is_said_once(
    config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(config, optimisation=COSINE)
    record = _complete(config, forget=("data_fingerprint", "data_contents", "epochs", "validation_patches"))
    assert train(config) == ROW
    said = "did not write down epochs, data_fingerprint, data_contents: not compared"
    assert said in capsys.readouterr().out
    assert json.loads(record.read_text())["data_fingerprint"] == "of the first"
    assert train(config) == ROW
    assert said not in capsys.readouterr().out
