"""Retries of trainings that fail, and failures that end them."""

from collections.abc import Callable

import pytest
import torch
from ray.exceptions import RayActorError
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

from inpaint_ray.errors import DatasetError, JobFailedError, StorageError, UsageError
from inpaint_ray.train import retries, worker
from inpaint_ray.train.config import TrainConfig
from inpaint_ray.train.retries import Place, fit_again

OF_A_TASK = """ray::MapBatches(read_span)() (pid=5212)
  File "loader.py", line 119, in read_span
FileNotFoundError: a.parquet

The above exception was the direct cause of the following exception:
ray.exceptions.UserCodeException: UDF failed to process a data block.
To change retry attempts, configure DataContext."""


class Run:
    """A training that fails as often as it is told, after a step that follows from the number of the try."""

    def __init__(self, error: Exception, *, failures: int, steps: Callable[[int], int | None]) -> None:
        self.error, self.failures, self.steps = error, failures, steps
        self.tried, self.waited = 0, 0

    def fit(self, place: Place) -> None:
        self.tried += 1
        if self.tried <= self.failures:
            step = self.steps(self.tried)
            if step is not None:
                place.reach((0, step))
            raise self.error

    def await_capacity(self) -> None:
        self.waited += 1


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep places in this process, not as actors of Ray."""
    monkeypatch.setattr(retries, "_make_place", Place)
    monkeypatch.setattr(retries, "_read", Place.reached)


def _of_workers(*failures: Exception) -> WorkerGroupError:
    return WorkerGroupError("[Rank 0 Error Snippet]: ...", dict(enumerate(failures)))


def _fit(run: Run) -> None:
    fit_again(run.fit, run.await_capacity, "training UNet")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (_of_workers(ZeroDivisionError("division by zero")), "ZeroDivisionError: division by zero"),
        (_of_workers(FileNotFoundError("state")), "FileNotFoundError: state"),
        (
            _of_workers(RuntimeError("Connection closed"), RayActorError()),
            "RayActorError: The actor experienced an error",
        ),
        (_of_workers(StorageError("s3://a: storage refuses")), "StorageError: s3://a: storage refuses"),
        (ControllerError(RuntimeError("no process group")), "RuntimeError: no process group"),
        (_of_workers(OSError(OF_A_TASK)), "FileNotFoundError: a.parquet"),
    ],
)
def test_the_third_failure_at_the_same_place_ends_a_run_with_its_reason(
    error: Exception, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(error, failures=100, steps=lambda tried: 1000)
    said = f"^training UNet failed 3 times in epoch 1 after step 1000; the last error: {reason}"
    with pytest.raises(JobFailedError, match=said):
        _fit(run)
    assert run.tried == run.waited == 3
    assert capsys.readouterr().out.count("it resumes from the last checkpoint\n") == 2


def test_three_starts_that_fail_end_a_run() -> None:
    run = Run(ControllerError(WorkerGroupStartupTimeoutError(2)), failures=100, steps=lambda tried: None)
    with pytest.raises(JobFailedError, match="^training UNet failed 3 times while it was started; the last error: "):
        _fit(run)
    assert run.tried == run.waited == 3  # it waited for capacity before each


def test_a_run_that_gets_on_outlives_any_number_of_failures() -> None:
    run = Run(_of_workers(RayActorError()), failures=150, steps=lambda tried: 40 * tried - 60 * (tried % 3 == 0))
    _fit(run)
    assert run.tried == 151


def test_a_run_that_fails_here_and_there_and_gets_no_further_ends() -> None:
    run = Run(_of_workers(RayActorError()), failures=100, steps=lambda tried: 900 + 20 * (-tried % 3))
    with pytest.raises(
        JobFailedError, match="^training UNet failed 10 times without getting further; the last error: RayActor"
    ):
        _fit(run)
    assert run.tried == 11


@pytest.mark.parametrize("error", [JobFailedError("loss is nan"), DatasetError("no patches")])
def test_what_would_fail_again_is_not_tried_again(error: Exception) -> None:
    run = Run(_of_workers(RuntimeError("Connection closed by peer"), error), failures=100, steps=lambda tried: tried)
    with pytest.raises(JobFailedError, match=f"^training UNet failed: {error}$"):
        _fit(run)
    assert run.tried == 1


def test_a_cluster_that_has_no_room_any_more_ends_the_waiting() -> None:
    run = Run(_of_workers(RayActorError()), failures=100, steps=lambda tried: 100 * tried)

    def await_capacity() -> None:
        if run.tried:
            raise UsageError("2 workers need 2 CPUs (the cluster has 1 CPUs)")

    run.await_capacity = await_capacity  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="the cluster has 1 CPUs"):
        _fit(run)
    assert run.tried == 1


def test_memory_that_is_short_beside_the_steps_is_final_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: object) -> None:
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of ..."
        )

    monkeypatch.setattr(worker, "_Run", run)  # a GPU's memory cannot be filled here
    config = TrainConfig(data="shards", output="runs", architecture="UNet")
    with pytest.raises(JobFailedError, match=r"^out of memory beside the steps of training: CUDA out of memory; take"):
        worker.train_worker(config, None, 0.0, Place())  # type: ignore[arg-type]
