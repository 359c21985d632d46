"""Retries of a training that failed: after an error that is not final, until it failed too often at one place."""

import re
from collections.abc import Callable
from typing import Any, cast

import ray
import ray.train
from ray.actor import ActorHandle
from ray.exceptions import RayError

from inpaint_ray.errors import InpaintError, JobFailedError, StorageError
from inpaint_ray.terminal import say

AT_ONE_PLACE = 3  # failures in a row that end a run
WITHOUT_GAIN = 10  # failures in a row, wherever, after which a run was never further than before them
NODE = "ray.io/node-id"  # Ray's own label of a node

Step = tuple[int, int]  # finished epochs, and steps of the one that is under way


def _define_place() -> type:
    class Place:
        """The last step that one try of a training reached; an actor beside the driver, told by the first worker."""

        def __init__(self) -> None:
            self.step: Step | None = None

        def reach(self, step: Step) -> None:
            self.step = step

        def reached(self) -> Step | None:
            return self.step

    return Place


Place = _define_place()  # defined in a function, it is pickled whole: its process need not import Ray Train and torch


def fit_again(fit: Callable[[ActorHandle], object], await_capacity: Callable[[], None], what: str) -> None:
    """Train to the end; after a failure, go on from the last checkpoint.

    Args:
        fit: trains from the last checkpoint to the end, and tells a `Place` how far it is.
        await_capacity: waits until the cluster has the capacity for a try.
        what: what is trained, in words.

    Raises:
        JobFailedError: a worker says that it would fail again; three failures in a row came at the same place, to
            some steps; or ten before a place that was reached before.
        UsageError: the cluster has not the capacity any more.
    """
    last: Step | None = None
    furthest: Step = (-1, 0)
    same = stuck = 0
    while True:
        await_capacity()
        place = _make_place()
        try:
            fit(place)
            return
        except ray.train.TrainingFailedError as error:
            reason, final = _reason(error)
        if final:
            raise JobFailedError(f"{what} failed: {reason}")
        step = _read(place)
        same = same + 1 if same and step == last else 1
        stuck = 0 if step is not None and step > furthest else stuck + 1
        last, furthest = step, max(furthest, step or furthest)
        where = "while it was started" if step is None else f"in epoch {step[0] + 1} after step {step[1]}"
        if same == AT_ONE_PLACE:
            raise JobFailedError(f"{what} failed {AT_ONE_PLACE} times {where}; the last error: {reason}")
        if stuck == WITHOUT_GAIN:
            raise JobFailedError(
                f"{what} failed {WITHOUT_GAIN} times without getting further; the last error: {reason}"
            )
        say(f"{what} failed {where}: {reason}; it resumes from the last checkpoint")


def _make_place() -> Any:
    beside = {NODE: ray.get_runtime_context().get_node_id()}
    return ray.remote(num_cpus=0, label_selector=beside)(Place).remote()


def _read(place: ActorHandle) -> Step | None:
    try:
        return cast(Step | None, ray.get(place.reached.remote()))
    except RayError:  # it was lost, too
        return None


def _reason(error: ray.train.TrainingFailedError) -> tuple[str, bool]:
    """Return the cause of a failure in one line, and whether training would surely fail again."""
    causes: list[Exception] = [error]
    if isinstance(error, ray.train.WorkerGroupError):
        causes = list(error.worker_failures.values())
    elif isinstance(error, ray.train.ControllerError):
        causes = [error.controller_failure]
    for cause in causes:
        if isinstance(cause, InpaintError) and not isinstance(cause, StorageError):
            return _lines(cause)[-1], True
    cause = min(causes, key=lambda cause: isinstance(cause, RuntimeError))  # by which torch says that others ended
    *_, last = lines = _lines(cause)
    named = (line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line))  # in a traceback, the first cause
    return next(named, f"{type(cause).__name__}: {last}").rstrip("."), False


def _lines(error: Exception) -> list[str]:
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
