"""A whole training run: checks, Ray Train, and the last lines."""

import functools
import json
import time
from dataclasses import replace

import ray.data
import ray.train
import ray.train.torch
from ray.data import FileShuffleConfig
from ray.train import CheckpointConfig, DataConfig, FailureConfig, RunConfig, ScalingConfig
from ray.tune.integration.ray_train import TuneReportCallback

from inpaint_ray import storage
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.data.schema import Dataset, read_dataset
from inpaint_ray.data.shards import shard_uris
from inpaint_ray.errors import JobFailedError, UsageError
from inpaint_ray.progress import format_duration
from inpaint_ray.train.config import TrainConfig, check_same_run
from inpaint_ray.train.state import Row, read_metrics
from inpaint_ray.train.worker import train_worker

CPUS_PER_WORKER = 0.5  # of Ray's accounting: what is left feeds the workers; torch uses the cores it finds
RETRIES = 3  # of lost workers, each from the last reported epoch
RECORD = "run.json"


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
        shard_uris(dataset, split)
    if config.init_from is not None:
        _check_first_weights(config.init_from, config.architecture)
    run_uri = storage.join(config.output, config.name)
    _claim(run_uri, config)
    history = _finished_epochs(run_uri)
    if len(history) >= config.budget.epochs:
        print(f"{run_uri} is complete: {len(history)} epochs")
    else:
        _fit(config, dataset, run_uri, for_tune=for_tune)
        history = _finished_epochs(run_uri)
    best = max(history, key=lambda row: row["psnr"])
    verdict = "better than" if best["gain"] > best["interpolation_gain"] else "NOT better than"
    print(
        f"best epoch {int(best['epoch'])}: gain {best['gain']:.2f} dB over the damaged input, {verdict} "
        f"interpolation's {best['interpolation_gain']:.2f} dB\n"
        f"trained {config.architecture} in {format_duration(time.monotonic() - started)}: "
        f"{run_uri}/best  {run_uri}/metrics.csv  {run_uri}/curves.png",
        flush=True,
    )
    return best


def _check_first_weights(init_from: str, wanted: str) -> None:
    architecture = open_checkpoint(init_from).architecture
    if architecture != wanted:
        raise UsageError(f"--init-from {init_from} is a {architecture}, --architecture is {wanted}")


def _with_absolute_paths(config: TrainConfig) -> TrainConfig:
    init_from = config.init_from and storage.absolute(config.init_from)
    return replace(
        config, data=storage.absolute(config.data), output=storage.absolute(config.output), init_from=init_from
    )


def _fit(config: TrainConfig, dataset: Dataset, run_uri: str, *, for_tune: bool) -> None:
    patches = ray.data.read_parquet(
        [storage.locate(uri)[1] for uri in shard_uris(dataset, "train")],
        filesystem=storage.locate(dataset.uri)[0],
        shuffle=FileShuffleConfig(seed=config.seed, reseed_after_execution=True),
    )
    filesystem, path = storage.locate(run_uri)
    trainer = ray.train.torch.TorchTrainer(
        functools.partial(train_worker, config, dataset),
        scaling_config=ScalingConfig(
            num_workers=config.num_workers, use_gpu=config.use_gpu, resources_per_worker=_resources(config)
        ),
        datasets={"train": patches},
        dataset_config=DataConfig(datasets_to_split=["train"]),
        run_config=RunConfig(
            name="state",
            storage_path=path,
            storage_filesystem=filesystem,
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            failure_config=FailureConfig(max_failures=RETRIES),
            callbacks=[TuneReportCallback()] if for_tune else None,  # type: ignore[list-item]
        ),
    )
    try:
        trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise JobFailedError(f"training {config.architecture} failed: {_first_cause(error)}") from error


def _resources(config: TrainConfig) -> dict[str, float]:
    return {"CPU": CPUS_PER_WORKER} | ({"GPU": 1} if config.use_gpu else {})


def _first_cause(error: BaseException) -> str:
    """The last line of what a worker said."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def _claim(run_uri: str, config: TrainConfig) -> None:
    """Write down what the run is, or see that it is the one that is there already."""
    record = storage.join(run_uri, RECORD)
    try:
        before = json.loads(storage.read_bytes(record))
    except FileNotFoundError:
        foreign = next(storage.list_files(run_uri), None)
        if foreign is not None:
            raise UsageError(f"{run_uri} holds something else ({foreign.name}); give another --run-name") from None
        storage.write_bytes(record, (json.dumps(config.identity(), indent=2) + "\n").encode())
        return
    check_same_run(config.identity(), before, run_uri)


def _finished_epochs(run_uri: str) -> list[Row]:
    try:
        return read_metrics(storage.read_bytes(storage.join(run_uri, "metrics.csv")).decode())
    except FileNotFoundError:
        return []
