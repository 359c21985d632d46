"""A search: Ray Tune trials, each a whole Ray Train run that resumes by its name.

What was trained is in the trials' folders. A search that is run again gives Ray Tune the rows of metrics that are
there, as if they had just been trained, and goes on from them: nothing of Ray Tune's own state is needed.
"""

import json
import math
import os
import re
import time
from dataclasses import replace
from typing import Any

import ray
import ray.tune
import torch
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher

from inpaint_ray import storage
from inpaint_ray.cluster import start_ray
from inpaint_ray.data.schema import read_dataset
from inpaint_ray.errors import InpaintError, JobFailedError, UsageError
from inpaint_ray.models.blocks import count_parameters
from inpaint_ray.models.registry import build_model, find_architecture
from inpaint_ray.progress import format_duration
from inpaint_ray.terminal import say
from inpaint_ray.train.capacity import await_capacity, can_grow, resources_of_worker, ways_to_fit
from inpaint_ray.train.history import best_row
from inpaint_ray.train.trainer import RECORD, finished_epochs, train
from inpaint_ray.tune.config import TuneConfig, multiply_adds
from inpaint_ray.tune.entries import Entry, rank
from inpaint_ray.tune.leaderboard import to_markdown, write_leaderboard
from inpaint_ray.tune.live import LiveTable
from inpaint_ray.tune.space import Choice, Settings

DRIVER = {"memory": 2.0**29}  # of a trial's own process, which only waits
TRIALS, EXPERIMENT = "trials", "tune"  # folders of a search: its runs, and what Ray Tune keeps
OF_TRIAL = re.compile(rf"{TRIALS}/[^/]+/{RECORD}")
OF_RAY_TUNE = re.compile(rf"{EXPERIMENT}/(\.validate_storage_marker|tuner\.pkl|experiment_state-[^/]+\.json)")
REDUCTION = 3  # ASHA keeps one in three
LOWEST_GAIN = -20.0  # dB, for ASHA alone; no network is as bad whose output is finite
RETRIES = 10  # of a trial whose process or node died
TRIAL, ERROR = "trial", "error"  # of what Ray Tune is given, and of what a trial reports
SCORES = ("psnr", "gain", "interpolation_gain", "nrmse")


def search(config: TuneConfig) -> list[Entry]:
    """Train every trial that is not trained yet, write the leaderboard, copy the winner's checkpoint.

    Raises:
        UsageError: the cluster is too small for the trials at once, Optuna is not installed, or the search's folder
            holds something else.
        JobFailedError: every trial failed.
    """
    started = time.monotonic()
    config = replace(config, data=storage.absolute(config.data), output=storage.absolute(config.output))
    run_uri = storage.join(config.output, config.run_name)
    _check_folder(run_uri)
    read_dataset(config.data)
    config = _shared(config)
    start_ray()
    _await_capacity(config)
    entries = rank([_entry(config, *trial) for trial in _run_trials(config)])
    write_leaderboard(run_uri, config.run_name, entries)
    say(to_markdown(entries))
    winner = entries[0]
    if not winner.has_score:
        raise JobFailedError(f"every trial failed; the first: {winner.stopped}")
    of_winner = storage.join(run_uri, TRIALS, winner.trial, "best")
    with storage.local_copy(of_winner) as best:
        storage.publish_folder(best, storage.join(run_uri, "best"))
    say(
        f"best: {winner.trial}, gain {winner.gain:.2f} dB (interpolation {winner.interpolation_gain:.2f} dB); "
        f"searched in {format_duration(time.monotonic() - started)}: {run_uri}/best  {run_uri}/leaderboard.html\n"
        f"use it: inpaint-ray restore --input ARCHIVE --output RESTORED --checkpoint {run_uri}/best",
    )
    return entries


def _check_folder(run_uri: str) -> None:
    """Refuse a folder with files other than a search's: they would be overwritten."""
    files = [file for file in storage.list_files(run_uri) if not storage.UNFINISHED.search(file.name)]
    if files and not any(_is_sign(file) for file in files):
        raise UsageError(f"{run_uri} holds something else ({files[0].name}); give another --run-name")


def _is_sign(file: storage.StoredFile) -> bool:
    """Tell whether a file shows that a search has begun: a trial's record, or one of Ray Tune's own files."""
    if OF_RAY_TUNE.fullmatch(file.name):
        return True
    if not OF_TRIAL.fullmatch(file.name):
        return False
    try:
        record = json.loads(storage.read_bytes(file.uri))
    except (ValueError, FileNotFoundError):  # not JSON; a dead link
        return False
    return isinstance(record, dict) and "architecture" in record


def _run_trials(config: TuneConfig) -> list[tuple[str, Settings, str]]:
    """Run the trials: returns architecture, settings and, for those that failed, the reason."""

    def train_trial(parameters: dict[str, Any]) -> None:
        run = config.trial(**parameters[TRIAL])
        history = finished_epochs(storage.join(run.output, run.name))
        for row in history:  # earlier results count for samplers and schedulers as they did then
            ray.tune.report(row)
        try:
            if not run.budget.why_over(history):
                train(run, for_tune=True)
        except InpaintError as error:  # would only fail again
            ray.tune.report({ERROR: str(error)})

    os.environ["TUNE_DISABLE_STRICT_METRIC_CHECKING"] = "1"  # a report within the first epoch has no gain yet
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # else Ctrl-C looks like an end, and half a search like a whole one
    filesystem, path = storage.locate(storage.join(config.output, config.run_name))
    planned = [{"architecture": name, "settings": settings} for name, settings in config.planned()]
    by_optuna = config.sampler == "optuna"
    tuner = ray.tune.Tuner(
        ray.tune.with_resources(train_trial, DRIVER),
        param_space={TRIAL: _searched(config) if by_optuna else ray.tune.grid_search(planned)},
        tune_config=ray.tune.TuneConfig(
            max_concurrent_trials=config.max_concurrent,
            num_samples=len(planned) if by_optuna else 1,
            search_alg=_optuna(config.seed) if by_optuna else None,
            scheduler=make_asha(config.budget.epochs) if config.scheduler == "asha" else None,
        ),
        run_config=ray.tune.RunConfig(
            name=EXPERIMENT,
            storage_path=path,
            storage_filesystem=filesystem,
            failure_config=ray.tune.FailureConfig(max_failures=RETRIES),
            verbose=0,
            callbacks=[LiveTable(config.budget.epochs, len(planned))],
        ),
    )
    results = tuner.fit()
    outcomes = []
    for result in (results[number] for number in range(len(results))):
        error = _reason(result.error) if result.error else (result.metrics or {}).get(ERROR, "")
        outcomes.append((*(result.config or {})[TRIAL].values(), error))
    return outcomes


def _searched(config: TuneConfig) -> dict[str, Any]:
    """Return the space of architectures and settings for Ray Tune to sample."""
    settings: dict[str, Any] = {}
    for name, part in config.varied.items():
        if isinstance(part, Choice):
            settings[name] = ray.tune.choice(list(part.values))
        elif isinstance(part.low, int) and isinstance(part.high, int):
            settings[name] = ray.tune.lograndint(part.low, part.high + 1)
        else:
            settings[name] = ray.tune.loguniform(part.low, part.high)
    return {"architecture": ray.tune.choice(list(config.names)), "settings": settings}


def _optuna(seed: int) -> Searcher:
    try:
        import optuna
        from ray.tune.search.optuna import OptunaSearch
    except ImportError as error:
        raise UsageError("--sampler optuna needs Optuna: pip install 'inpaint-ray[optuna]'") from error
    return OptunaSearch(metric="gain", mode="max", sampler=optuna.samplers.TPESampler(seed=seed))


class _FiniteASHA(ASHAScheduler):
    """ASHA for gains that may be minus infinity: its own interpolated cutoff would be NaN, which stops no trial.

    The stand-in must be near real gains, because the cutoff lies on the straight line between two of them.
    """

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return super().on_trial_result(tune_controller, trial, _with_finite_gain(result))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        super().on_trial_complete(tune_controller, trial, _with_finite_gain(result))


def _with_finite_gain(result: dict[str, Any]) -> dict[str, Any]:
    return result | {"gain": max(result["gain"], LOWEST_GAIN)} if "gain" in result else result


def make_asha(epochs: int) -> ASHAScheduler:
    """Return the scheduler that stops the worse two thirds of trials after 1, 3, 9, ... epochs."""
    return _FiniteASHA(
        time_attr="epoch", metric="gain", mode="max", max_t=epochs, reduction_factor=REDUCTION, stop_last_trials=False
    )


def _entry(config: TuneConfig, architecture: str, settings: Settings, error: str) -> Entry:
    """Read the result of a trial from its folder."""
    run = config.trial(architecture, settings)
    history = finished_epochs(storage.join(run.output, run.name))
    best = best_row(history) if history else dict.fromkeys(SCORES, 0.0)
    unfinished = "stopped by ASHA" if history and config.scheduler == "asha" else "no epoch was finished"
    not_finite = "" if math.isfinite(best["gain"]) else "its output was not finite on some patch in every epoch"
    with torch.device("meta"):
        parameters = count_parameters(build_model(architecture))
    return Entry(
        trial=run.name,
        architecture=architecture,
        settings=settings,
        parameters=parameters,
        multiply_adds=multiply_adds(architecture),
        epochs=len(history),
        patches=int(sum(row["patches"] for row in history)),
        **{name: best[name] for name in SCORES},
        published_psnr=find_architecture(architecture).published_psnr,
        seconds=sum(row["seconds"] for row in history),
        stopped=error or not_finite or run.budget.why_over(history) or unfinished,
        history=history,
    )


def _shared(config: TuneConfig) -> TuneConfig:
    """Divide the cores of a single machine among the trials that run at the same time."""
    if config.workers.cpus_per_worker is not None or can_grow():
        return config
    share = (os.cpu_count() or 1) // (config.max_concurrent * config.workers.num_workers)
    return replace(config, workers=replace(config.workers, cpus_per_worker=max(1, share)))


def _await_capacity(config: TuneConfig) -> None:
    """Wait until the cluster has capacity for all trials that run at the same time."""
    count = config.max_concurrent
    num_workers = config.workers.min_workers or config.workers.num_workers
    of_worker = resources_of_worker(config.workers)

    def remedy(having: dict[str, float]) -> str:
        of_trial = {name: amount * num_workers for name, amount in of_worker.items()} | DRIVER
        fits = int(min(having.get(name, 0) // amount for name, amount in of_trial.items()))
        return f"use --max-concurrent {fits}" if fits > 0 else ", or ".join(ways_to_fit(config.workers, having))

    await_capacity(
        f"{count} trials at once of {num_workers} workers",
        [DRIVER, *[of_worker] * num_workers] * count,
        wait_s=config.workers.wait_s,
        grows=can_grow(),
        use_gpu=config.workers.use_gpu,
        remedy=remedy,
    )


def _reason(error: BaseException) -> str:
    """Return the error of a trial in one line."""
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__
