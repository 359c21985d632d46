"""A search: a Ray Tune trial for each architecture, each a whole Ray Train run that resumes by its name."""

import time
from dataclasses import replace
from typing import Any

import ray
import ray.tune
import torch

from inpaint_ray import storage
from inpaint_ray.data.schema import read_dataset
from inpaint_ray.errors import InpaintError, JobFailedError, UsageError
from inpaint_ray.models.blocks import count_parameters
from inpaint_ray.models.registry import build_model
from inpaint_ray.progress import format_duration
from inpaint_ray.train.state import Row, read_metrics
from inpaint_ray.train.trainer import CPUS_PER_WORKER, train
from inpaint_ray.tune.config import TuneConfig
from inpaint_ray.tune.leaderboard import Entry, rank, to_csv, to_markdown

DRIVER_CPUS = 0.5  # of a trial's own process; Ray Tune refuses 0
FEED_CPUS = 1.0  # the least that Ray Data needs to read shards


def search(config: TuneConfig) -> list[Entry]:
    """Train every architecture that is not trained yet, write the leaderboard, copy the winner's checkpoint.

    Raises:
        UsageError: the cluster is too small for the trials at once.
        JobFailedError: every trial failed.
    """
    started = time.monotonic()
    config = replace(config, data=storage.absolute(config.data), output=storage.absolute(config.output))
    read_dataset(config.data)
    _check_cluster(config)
    errors = _run_trials(config)
    run_uri = storage.join(config.output, config.run_name)
    entries = rank([_entry(config, name, errors.get(name)) for name in config.names])
    storage.write_bytes(storage.join(run_uri, "leaderboard.csv"), to_csv(entries).encode())
    table = to_markdown(entries)
    storage.write_bytes(storage.join(run_uri, "leaderboard.md"), table.encode())
    print(table)
    winner = entries[0]
    if not winner.epochs:
        raise JobFailedError(f"every trial failed; the first: {winner.stopped}")
    of_winner = storage.join(config.trial(winner.architecture).output, winner.architecture, "best")
    with storage.local_copy(of_winner) as best:
        storage.publish_folder(best, storage.join(run_uri, "best"))
    print(
        f"best: {winner.architecture}, gain {winner.gain:.2f} dB (interpolation {winner.interpolation_gain:.2f} dB); "
        f"searched in {format_duration(time.monotonic() - started)}: {run_uri}/best  {run_uri}/leaderboard.md\n"
        f"use it: python jobs/restore.py --input ARCHIVE --output RESTORED --checkpoint {run_uri}/best",
        flush=True,
    )
    return entries


def _run_trials(config: TuneConfig) -> dict[str, str]:
    """Train them all; architecture -> error, for those that failed."""

    def trial(parameters: dict[str, Any]) -> None:
        train(config.trial(parameters["architecture"]), for_tune=True)

    filesystem, path = storage.locate(storage.join(config.output, config.run_name))
    tuner = ray.tune.Tuner(
        ray.tune.with_resources(trial, {"CPU": DRIVER_CPUS}),
        param_space={"architecture": ray.tune.grid_search(list(config.names))},
        tune_config=ray.tune.TuneConfig(max_concurrent_trials=config.max_concurrent),
        run_config=ray.tune.RunConfig(name="tune", storage_path=path, storage_filesystem=filesystem, verbose=1),
    )
    results = tuner.fit()
    failed = {}
    for number, name in enumerate(config.names):
        error = results[number].error
        if error is not None:
            failed[name] = _reason(error)
    return failed


def _entry(config: TuneConfig, name: str, error: str | None) -> Entry:
    with torch.device("meta"):
        parameters = count_parameters(build_model(name))
    uri = storage.join(config.trial(name).output, name, "metrics.csv")
    history: list[Row] = read_metrics(storage.read_bytes(uri).decode()) if storage.exists(uri) else []
    if not history:
        return Entry(name, parameters, 0, 0.0, 0.0, 0.0, 0.0, 0.0, error or "no epoch was finished")
    best = max(history, key=lambda row: row["psnr"])
    return Entry(
        architecture=name,
        parameters=parameters,
        epochs=len(history),
        psnr=best["psnr"],
        gain=best["gain"],
        interpolation_gain=best["interpolation_gain"],
        nrmse=best["nrmse"],
        seconds=sum(row["seconds"] for row in history),
        stopped=error or "finished",
    )


def _check_cluster(config: TuneConfig) -> None:
    """Refuse what could only wait for ever."""
    resources = ray.cluster_resources()
    of_trial = DRIVER_CPUS + config.workers.num_workers * CPUS_PER_WORKER
    needed = config.max_concurrent * of_trial + FEED_CPUS
    having = resources.get("CPU", 0)
    if needed > having:
        fits = int((having - FEED_CPUS) / of_trial)
        raise UsageError(
            f"{config.max_concurrent} trials at once of {config.workers.num_workers} workers need {needed:g} CPUs, "
            f"the cluster has {having:g}; use --max-concurrent {max(fits, 1)}"
        )
    if config.workers.use_gpu and config.max_concurrent * config.workers.num_workers > resources.get("GPU", 0):
        raise UsageError(
            f"{config.max_concurrent} trials at once of {config.workers.num_workers} workers need a GPU each, the "
            f"cluster has {resources.get('GPU', 0):g}; lower --max-concurrent or --num-workers, or leave --use-gpu out"
        )


def _reason(error: BaseException) -> str:
    """One line of what went wrong in a trial."""
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    if isinstance(cause, InpaintError):
        return str(cause)
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__
