"""When a training is tried again, and when not."""

from collections.abc import Callable

import pytest
import torch
from ray.exceptions import RayActorError
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

from inpaint_ray.errors import DatasetError, JobFailedError, StorageError
from inpaint_ray.train import worker
from inpaint_ray.train.config import TrainConfig
from inpaint_ray.train.trainer import fit_again

OF_A_TASK = """ray::MapBatches(read_window)() (pid=5212)
  File "feed.py", line 119, in read_window
FileNotFoundError: a.parquet

The above exception was the direct cause of the following exception:
ray.exceptions.UserCodeException: UDF failed to process a data block.
To change retry attempts, configure DataContext."""


class Run:
    """A training that fails so often as it is told, and is further each time that it may save before."""

    def __init__(self, error: Exception, *, failures: int, saves: Callable[[int], bool]) -> None:
        self.error, self.failures, self.saves = error, failures, saves
        self.tried, self.saved = 0, 0

    def fit(self) -> None:
        self.tried += 1
        if self.tried <= self.failures:
            self.saved += self.saves(self.tried)
            raise self.error

    def last_save(self) -> bytes:
        return bytes(self.saved)


def _of_workers(*failures: Exception) -> WorkerGroupError:
    return WorkerGroupError("[Rank 0 Error Snippet]: ...", dict(enumerate(failures)))


def _fit(run: Run) -> None:
    fit_again(run.fit, run.last_save, "training UNet")


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
    run = Run(error, failures=100, saves=lambda tried: False)
    with pytest.raises(JobFailedError, match=f"^training UNet failed 3 times at the same place, at last by {reason}"):
        _fit(run)
    assert run.tried == 3
    assert capsys.readouterr().out.count("it goes on from where it was saved last\n") == 2


def test_a_run_that_gets_on_outlives_any_number_of_failures() -> None:
    run = Run(_of_workers(RayActorError()), failures=150, saves=lambda tried: tried % 2 == 0)
    _fit(run)
    assert run.tried == 151


def test_a_run_that_got_on_at_first_ends_where_it_stays() -> None:
    run = Run(_of_workers(RayActorError()), failures=100, saves=lambda tried: tried <= 10)
    with pytest.raises(JobFailedError):
        _fit(run)
    assert run.tried == 12  # the tenth saved, failed there, and so did two more


@pytest.mark.parametrize("error", [JobFailedError("loss is nan"), DatasetError("no patches")])
def test_what_would_fail_again_is_not_tried_again(error: Exception) -> None:
    run = Run(_of_workers(RuntimeError("Connection closed by peer"), error), failures=100, saves=lambda tried: True)
    with pytest.raises(JobFailedError, match=f"^training UNet failed: {error}$"):
        _fit(run)
    assert run.tried == 1


def test_a_run_waits_for_a_cluster_without_room() -> None:
    run = Run(ControllerError(WorkerGroupStartupTimeoutError(2)), failures=20, saves=lambda tried: False)
    _fit(run)
    assert run.tried == 21


def test_memory_that_is_short_beside_the_steps_is_final_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: object) -> None:
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of ..."
        )

    monkeypatch.setattr(worker, "_Run", run)  # a GPU's memory cannot be filled here
    config = TrainConfig(data="shards", output="runs", architecture="UNet")
    with pytest.raises(JobFailedError, match=r"^out of memory beside the steps of training: CUDA out of memory; take"):
        worker.train_worker(config, None, 0.0)  # type: ignore[arg-type]
