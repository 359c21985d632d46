"""A whole training run: checks, Ray Train, and the last lines."""

import functools
import json
import math
import time
from dataclasses import replace

import ray.train
import ray.train.torch
from ray.actor import ActorHandle
from ray.train import CheckpointConfig, FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.tune.integration.ray_train import TuneReportCallback

from inpaint_ray import storage
from inpaint_ray.checkpoints import absolute_checkpoint, open_checkpoint
from inpaint_ray.cluster import start_ray
from inpaint_ray.data.schema import Dataset, read_dataset
from inpaint_ray.errors import JobFailedError, UsageError
from inpaint_ray.ledger.placement import node_selector
from inpaint_ray.progress import format_duration
from inpaint_ray.terminal import say
from inpaint_ray.train.capacity import await_capacity, can_grow, resources_of_worker, ways_to_fit
from inpaint_ray.train.config import TrainConfig, Workers, check_same_run
from inpaint_ray.train.history import best_row
from inpaint_ray.train.retries import fit_again
from inpaint_ray.train.state import Row, read_metrics
from inpaint_ray.train.worker import train_worker

RECORD = "run.json"
STUCK_S = 900  # time for workers to wait for one another in a sum; then the run fails and is tried again
HUGE_PAGES = {  # glibc's: a step's tensors stay in the heap, in pages of 2 MiB; a CPU loses 5 to 20 % to faults else
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "500000000",
}


def train(config: TrainConfig, *, for_tune: bool = False) -> Row:
    """Train, or resume, or find the run complete; returns the metrics of the best epoch.

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
        count, num_workers = dataset.num_patches(split), config.workers.num_workers
        if not count:
            raise UsageError(
                f"{dataset.uri}: no patches in split {split}; prepare more tracks, or choose the splits in a "
                "list of your own (jobs/prepare.py --protocol manifest)"
            )
        if count < num_workers:
            raise UsageError(
                f"{dataset.uri}: {count} patches in split {split} for {num_workers} workers; "
                "prepare more, or give fewer --num-workers"
            )
    if config.init_from is not None:
        _check_first_weights(config.init_from, config.architecture)
    run_uri = storage.join(config.output, config.name)
    _claim(run_uri, config, dataset)
    history = finished_epochs(run_uri)
    if over := config.budget.why_over(history):
        say(f"{run_uri} is complete after {len(history)} epochs: {over}")
    else:
        _fit(config, dataset, run_uri, for_tune=for_tune, submitted=time.time())
        history = finished_epochs(run_uri)
    best = best_row(history)
    if not math.isfinite(best["psnr"]):
        raise JobFailedError(
            f"training {config.architecture} failed: its output was not finite on some validation patches in every "
            "epoch; try a lower --learning-rate or --clip-norm, under another --run-name"
        )
    beside = best["gain"] - best["interpolation_gain"]
    say(
        f"best epoch {int(best['epoch'])}: mean gain {best['gain']:.2f} dB over the damaged input, {beside:+.2f} dB "
        f"beside interpolation's {best['interpolation_gain']:.2f} dB\n"
        f"trained {config.architecture} in {format_duration(time.monotonic() - started)}: "
        f"{run_uri}/best  {run_uri}/run.html",
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
    def fit(place: ActorHandle) -> None:
        _trainer(config, dataset, run_uri, place, for_tune=for_tune, submitted=submitted).fit()

    start_ray()
    fit_again(fit, lambda: _await_capacity(config, for_tune=for_tune), f"training {config.architecture}")


def _trainer(
    config: TrainConfig, dataset: Dataset, run_uri: str, place: ActorHandle, *, for_tune: bool, submitted: float
) -> ray.train.torch.TorchTrainer:
    """Return Ray Train's trainer, which resumes from the run's folder."""
    filesystem, path = storage.locate(run_uri)
    workers = config.workers
    return ray.train.torch.TorchTrainer(
        functools.partial(train_worker, config, dataset, submitted, place),
        torch_config=ray.train.torch.TorchConfig(timeout_s=STUCK_S),
        scaling_config=ScalingConfig(
            num_workers=_elastic(workers),  # type: ignore[arg-type]  # pairs are meant for elastic groups
            use_gpu=workers.use_gpu,
            placement_strategy="PACK" if workers.use_gpu else "SPREAD",  # torch takes a node's cores, asked for or not
            resources_per_worker=resources_of_worker(workers),
            label_selector=node_selector(use_gpu=workers.use_gpu),  # type: ignore[call-arg]  # of Train V2 alone
        ),
        run_config=RunConfig(
            name="state",
            storage_path=path,
            storage_filesystem=filesystem,
            checkpoint_config=CheckpointConfig(num_to_keep=config.saving.keep_checkpoints),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),  # type: ignore[call-arg]
            logging_config=LoggingConfig(log_level="WARNING"),  # else: every report in full
            worker_runtime_env=None if workers.use_gpu else {"env_vars": HUGE_PAGES},
            callbacks=[TuneReportCallback()] if for_tune else None,  # type: ignore[list-item]
        ),
    )


def _elastic(workers: Workers) -> int | tuple[int, int]:
    return workers.num_workers if workers.min_workers is None else (workers.min_workers, workers.num_workers)


def _await_capacity(config: TrainConfig, *, for_tune: bool) -> None:
    """Wait for the fewest workers that training can begin with; a trial waits for ever, as its search has checked."""
    workers, grows = config.workers, for_tune or can_grow()
    count = workers.min_workers or workers.num_workers
    wait = ["wait longer with --wait-s"] if grows else []
    await_capacity(
        f"{count} workers",
        [resources_of_worker(workers)] * count,
        wait_s=math.inf if for_tune else workers.wait_s,
        grows=grows,
        use_gpu=workers.use_gpu,
        remedy=lambda having: ", or ".join(ways_to_fit(workers, having) + wait),
    )


def _claim(run_uri: str, config: TrainConfig, dataset: Dataset) -> None:
    """Write the identity of the run, or check that the folder holds the same run."""
    record = storage.join(run_uri, RECORD)
    identity = config.identity() | {"data_fingerprint": dataset.fingerprint, "data_contents": dataset.contents}
    try:
        before = json.loads(storage.read_bytes(record))
    except FileNotFoundError:
        before = identity
        names = (file.name for file in storage.list_files(run_uri))
        foreign = next((name for name in names if storage.UNFINISHED.sub("", name) != RECORD), None)
        if foreign is not None:
            raise UsageError(f"{run_uri} holds something else ({foreign}); give another --run-name") from None
    except ValueError as error:
        raise UsageError(f"{record} is damaged; give another --run-name, or delete that folder") from error
    unknown = check_same_run(identity, before, run_uri)
    storage.delete_unfinished(run_uri)  # of a run that was killed
    if unknown:
        say(f"{run_uri} was begun by an earlier version, which did not write down {', '.join(unknown)}: not compared")
    if unknown or before is identity:
        storage.write_bytes(record, (json.dumps(identity, indent=2) + "\n").encode())


def finished_epochs(run_uri: str) -> list[Row]:
    """Read the rows of a run's metrics.csv; none where it has no such file yet."""
    try:
        return read_metrics(storage.read_bytes(storage.join(run_uri, "metrics.csv")).decode())
    except FileNotFoundError:
        return []
