"""A whole training run: checks, Ray Train, and the last lines."""

import functools
import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import replace

import ray
import ray.train
import ray.train.torch
from ray.train import CheckpointConfig, FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.tune.integration.ray_train import TuneReportCallback

from inpaint_ray import storage
from inpaint_ray.checkpoints import absolute_checkpoint, open_checkpoint
from inpaint_ray.data.placement import node_selector
from inpaint_ray.data.schema import Dataset, read_dataset
from inpaint_ray.errors import InpaintError, JobFailedError, StorageError, UsageError
from inpaint_ray.progress import format_duration
from inpaint_ray.train.config import TrainConfig, Workers, check_same_run
from inpaint_ray.train.history import best_row
from inpaint_ray.train.room import await_room, can_grow, resources_of_worker, ways_to_fit
from inpaint_ray.train.state import Row, read_metrics
from inpaint_ray.train.worker import train_worker

FAILURES = 3  # in a row, without a save between, end a run
RECORD = "run.json"
STATE = "state"  # folder of Ray Train's


def train(config: TrainConfig, *, for_tune: bool = False) -> Row:
    """Train, or go on training, or find that all is done; gives the metrics of the best epoch.

    Args:
        config: the run.
        for_tune: report every epoch to the Tune trial that this process is.

    Raises:
        UsageError, DatasetError, CheckpointError: what the run needs is not there.
        JobFailedError: training failed.
    """
    started = time.monotonic()
    config = _with_absolute_paths(config)  # workers run in other folders
    dataset = read_dataset(config.data)
    for split in ("train", "validation"):
        if dataset.num_patches(split) < config.workers.num_workers:
            raise UsageError(
                f"{dataset.uri}: {dataset.num_patches(split)} patches in split {split} for "
                f"{config.workers.num_workers} workers; prepare more, or give fewer --num-workers"
            )
    if config.init_from is not None:
        _check_first_weights(config.init_from, config.architecture)
    run_uri = storage.join(config.output, config.name)
    _claim(run_uri, config, dataset)
    history = finished_epochs(run_uri)
    if over := config.budget.why_over(history):
        print(f"{run_uri} is complete after {len(history)} epochs: {over}")
    else:
        _fit(config, dataset, run_uri, for_tune=for_tune, submitted=time.time())
        history = finished_epochs(run_uri)
    best = best_row(history)
    beside = best["gain"] - best["interpolation_gain"]
    print(
        f"best epoch {int(best['epoch'])}: mean gain {best['gain']:.2f} dB over the damaged input, {beside:+.2f} dB "
        f"beside interpolation's {best['interpolation_gain']:.2f} dB\n"
        f"trained {config.architecture} in {format_duration(time.monotonic() - started)}: "
        f"{run_uri}/best  {run_uri}/run.html",
        flush=True,
    )
    return best


def _check_first_weights(init_from: str, wanted: str) -> None:
    architecture = open_checkpoint(init_from).architecture
    if architecture != wanted:
        raise UsageError(f"--init-from {init_from} is a {architecture}, --architecture is {wanted}")


def _with_absolute_paths(config: TrainConfig) -> TrainConfig:
    init_from = absolute_checkpoint(config.init_from)
    return replace(
        config, data=storage.absolute(config.data), output=storage.absolute(config.output), init_from=init_from
    )


def _fit(config: TrainConfig, dataset: Dataset, run_uri: str, *, for_tune: bool, submitted: float) -> None:
    _await_room(config, for_tune=for_tune)
    trainer = functools.partial(_trainer, config, dataset, run_uri, for_tune=for_tune, submitted=submitted)
    fit_again(lambda: trainer().fit(), lambda: _last_save(run_uri), f"training {config.architecture}")


def fit_again(fit: Callable[[], object], last_save: Callable[[], bytes], what: str) -> None:
    """Train to the end; after a failure, go on from the last save.

    Args:
        fit: trains from the last save to the end.
        last_save: identifies the last save.
        what: what is trained, in words.

    Raises:
        JobFailedError: a worker says that it would fail again, or three failures in a row have no save between them.
    """
    save, failures = last_save(), 0
    while True:
        try:
            fit()
            return
        except ray.train.TrainingFailedError as error:
            if _waits_for_room(error):
                print(f"{what} waits for workers: the cluster has no room for them yet", flush=True)
                continue
            reason, final = _reason(error)
        before, save = save, last_save()
        failures = failures + 1 if save == before else 1
        if final:
            raise JobFailedError(f"{what} failed: {reason}")
        if failures == FAILURES:
            raise JobFailedError(f"{what} failed {FAILURES} times at the same place, at last by {reason}")
        print(f"{what} failed: {reason}; it goes on from where it was saved last", flush=True)


def _waits_for_room(error: ray.train.TrainingFailedError) -> bool:
    """Whether Ray Train gave up waiting, as for a node that replaces a lost one; its class is not public."""
    failure = error.controller_failure if isinstance(error, ray.train.ControllerError) else None
    return type(failure).__name__ == "WorkerGroupStartupTimeoutError"


def _last_save(run_uri: str) -> bytes:
    """Ray Train's record of the checkpoints that are kept."""
    try:
        return storage.read_bytes(storage.join(run_uri, STATE, "checkpoint_manager_snapshot.json"))
    except FileNotFoundError:
        return b""


def _reason(error: ray.train.TrainingFailedError) -> tuple[str, bool]:
    """One line of why training failed, and whether it would fail again for sure."""
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


def _trainer(
    config: TrainConfig, dataset: Dataset, run_uri: str, *, for_tune: bool, submitted: float
) -> ray.train.torch.TorchTrainer:
    """Of Ray Train; it takes up what is below the run's folder."""
    filesystem, path = storage.locate(run_uri)
    workers = config.workers
    return ray.train.torch.TorchTrainer(
        functools.partial(train_worker, config, dataset, submitted),
        scaling_config=ScalingConfig(
            num_workers=_elastic(workers),  # type: ignore[arg-type]  # pairs are meant for elastic groups
            use_gpu=workers.use_gpu,
            placement_strategy="PACK" if workers.use_gpu else "SPREAD",  # torch takes a node's cores, asked for or not
            resources_per_worker=resources_of_worker(workers),
            label_selector=node_selector(use_gpu=workers.use_gpu),  # type: ignore[call-arg]  # of Train V2 alone
        ),
        run_config=RunConfig(
            name=STATE,
            storage_path=path,
            storage_filesystem=filesystem,
            checkpoint_config=CheckpointConfig(num_to_keep=config.saving.keep_checkpoints),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),  # type: ignore[call-arg]
            logging_config=LoggingConfig(log_level="WARNING"),  # else: every report in full
            callbacks=[TuneReportCallback()] if for_tune else None,  # type: ignore[list-item]
        ),
    )


def _elastic(workers: Workers) -> int | tuple[int, int]:
    return workers.num_workers if workers.min_workers is None else (workers.min_workers, workers.num_workers)


def _await_room(config: TrainConfig, *, for_tune: bool) -> None:
    """Wait for the least that training can begin with; a trial, whose search has seen that there is room, for ever."""
    workers, grows = config.workers, for_tune or can_grow()
    count = workers.min_workers or workers.num_workers
    wait = ["wait longer with --wait-s"] if grows else []
    await_room(
        f"{count} workers",
        [resources_of_worker(workers)] * count,
        wait_s=math.inf if for_tune else workers.wait_s,
        grows=grows,
        use_gpu=workers.use_gpu,
        remedy=lambda having: ", or ".join(ways_to_fit(workers, having) + wait),
    )


def _claim(run_uri: str, config: TrainConfig, dataset: Dataset) -> None:
    """Write down what the run is, or see that it is the one that is there already."""
    record = storage.join(run_uri, RECORD)
    identity = config.identity() | {"data_fingerprint": dataset.fingerprint, "data_scale": dataset.scale}
    try:
        before = json.loads(storage.read_bytes(record))
    except FileNotFoundError:
        before = identity
        foreign = next(storage.list_files(run_uri), None)
        if foreign is not None:
            raise UsageError(f"{run_uri} holds something else ({foreign.name}); give another --run-name") from None
    unknown = check_same_run(identity, before, run_uri)
    if unknown:
        print(f"{run_uri} was begun by an earlier version, which did not write down {', '.join(unknown)}: not compared")
    if unknown or before is identity:
        storage.write_bytes(record, (json.dumps(identity, indent=2) + "\n").encode())


def finished_epochs(run_uri: str) -> list[Row]:
    """The rows of a run's metrics.csv; none where it has no such file yet."""
    try:
        return read_metrics(storage.read_bytes(storage.join(run_uri, "metrics.csv")).decode())
    except FileNotFoundError:
        return []
