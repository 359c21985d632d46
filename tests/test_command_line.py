"""Flags, variables, errors and exit codes of the jobs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.runtime_env.runtime_env import _merge_runtime_env

from inpaint_ray.cluster import _start_private_ray, start_ray
from inpaint_ray.command_line import parse
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.train.config import TrainConfig

JOBS = Path(__file__).resolve().parents[1] / "jobs"


def test_a_required_flag_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INPAINT_DATA", "s3://bucket/shards")
    monkeypatch.setenv("INPAINT_OUTPUT", "s3://bucket/runs")
    monkeypatch.setenv("INPAINT_ARCHITECTURE", "UNet")
    config = parse(TrainConfig, ["--output", "here"], None)
    assert (config.data, config.output, config.architecture) == ("s3://bucket/shards", "here", "UNet")


def test_nested_settings_are_plain_flags() -> None:
    config = parse(TrainConfig, ["--data=d", "--output=o", "--architecture=UNet", "--epochs", "3"], None)
    assert config.budget.epochs == 3


def test_several_checkpoints_are_one_flag() -> None:
    config = parse(EvaluateConfig, ["--data", "d", "--checkpoint", "a", "b", "--output", "o"], None)
    assert config.checkpoint == ("a", "b")


@pytest.mark.parametrize(
    ("config_type", "arguments", "expected"),
    [
        (TrainConfig, ["--data", "d"], "--output"),
        (TrainConfig, ["--data", "d", "--output", "o", "--architecture", "UNett"], "did you mean UNet?"),
        (TrainConfig, ["--data=d", "--output=o", "--architecture=UNet", "--num-workers=0"], "at least 1, got 0"),
        (TrainConfig, ["--data=d", "--output=o", "--architecture=UNet", "--epochs=two"], "epochs"),
        (TrainConfig, ["--data=d", "--output=o", "--architecture=UNet", "--epoch=2"], "--epoch"),
        (PrepareConfig, ["--source", "s", "--output", "o"], "--metadata"),
        (PrepareConfig, ["--source=s", "--output=o", "--protocol=foldres"], "folders"),
        (PrepareConfig, ["--source=s", "--output=o", "--protocol=folders", "--max-rejected=2"], "from 0 to 1, got 2"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    config_type: type, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        parse(config_type, arguments, None)
    error = capsys.readouterr().err
    assert exit_info.value.code == 2
    assert expected in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


def test_help_lists_every_flag_with_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        parse(TrainConfig, ["--help"], "What it does.")
    text = capsys.readouterr().out
    assert exit_info.value.code == 0
    assert (
        "--learning-rate" in text and "After the warm-up; 0.015 to 0.04 for Muon." in text and "What it does." in text
    )


def test_a_job_without_flags_says_what_to_give() -> None:
    result = subprocess.run([sys.executable, JOBS / "train.py"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("--data, --output, --architecture missing") and "INPAINT_OUTPUT" in result.stderr


def test_a_submission_may_give_variables_that_jobs_set_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    of_submission = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    for name, value in (of_submission | {"RAY_ADDRESS": "head:6379", "RAY_OVERRIDE_JOB_RUNTIME_ENV": ""}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RAY_OVERRIDE_JOB_RUNTIME_ENV")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **settings: given.update(settings))
    start_ray()
    override = os.environ["RAY_OVERRIDE_JOB_RUNTIME_ENV"] == "1"  # what ray.init looks at
    merged = _merge_runtime_env({"env_vars": of_submission}, given["runtime_env"], override=override)
    assert merged is not None and of_submission.items() <= merged["env_vars"].items()


def test_a_ray_that_does_not_start_in_time_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [Exception("The current node timed out during startup."), None]
    stopped = []

    def init(*args: object, **kwargs: object) -> None:
        if error := answers.pop(0):
            raise error

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: stopped.append(True))
    _start_private_ray({})
    assert not answers and stopped == [True]
    answers += [Exception("no space left on device")]
    with pytest.raises(Exception, match="no space left"):
        _start_private_ray({})
