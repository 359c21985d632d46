"""What every training process does; the only file that calls ray.train inside the workers."""

import logging
import math
import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import ray.train
import ray.train.torch
import torch
import torch.distributed
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from inpaint_ray import storage
from inpaint_ray.audio.damage import parse_damage
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.data.batches import EVALUATION_SEED, Batch, damage_rows
from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import PatchRows, read_rows, shard_uris
from inpaint_ray.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model
from inpaint_ray.progress import Progress
from inpaint_ray.train.config import TrainConfig
from inpaint_ray.train.epoch import TrainingSums, mean_scores, train_epoch, validate
from inpaint_ray.train.figures import draw_curves, draw_examples
from inpaint_ray.train.losses import LOSSES
from inpaint_ray.train.state import Row, RunState, load_state, metrics_csv, save_state

SHUFFLE_BUFFER = 1_024  # patches, 64 MiB


def train_worker(config: TrainConfig, dataset: Dataset) -> None:
    """Train from the last reported checkpoint, or from the start, to the last epoch."""
    logging.getLogger("ray.train").setLevel(logging.WARNING)  # it would print every report in full
    context = ray.train.get_context()  # [1] who this worker is
    rank, num_workers = context.get_world_rank(), context.get_world_size()
    if not config.use_gpu:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // context.get_local_world_size()))
    torch.manual_seed(config.seed)
    device = ray.train.torch.get_device()
    bare_model = _initial_model(config).to(device)
    optimizer = Adam(bare_model.parameters(), lr=config.learning_rate)
    state = _resume(bare_model, optimizer)  # [2] from the last checkpoint that was reported
    model = ray.train.torch.prepare_model(bare_model)  # [3] distributed data parallel
    shard = ray.train.get_dataset_shard("train")  # [4] this worker's share of the training patches
    genres = sorted({genre for counts in dataset.patches.values() for genre in counts})
    patches = min(config.budget.patches_per_epoch or math.inf, dataset.num_patches("train"))
    for epoch in range(state.epoch, config.budget.epochs):
        progress = Progress(f"epoch {epoch + 1}/{config.budget.epochs}", int(patches / num_workers), "patches")
        batches = _training_batches(shard, config, dataset, epoch, num_workers)
        trained = train_epoch(
            model, batches, LOSSES[config.loss_name], optimizer, device, progress if rank == 0 else None
        )
        part = _validation_batches(config, dataset, rank, num_workers)
        sums = _all_reduce(validate(bare_model, part, genres, device), device)
        row = _metrics_row(epoch + 1, trained, sums, device)
        state.history.append(row)
        _report(config, dataset, bare_model, optimizer, state, device, rank)


def _initial_model(config: TrainConfig) -> nn.Module:
    model = build_model(config.architecture)
    if config.init_from is not None:
        model.load_state_dict(open_checkpoint(config.init_from).model.state_dict())
    return model


def _resume(model: nn.Module, optimizer: Optimizer) -> RunState:
    reported = ray.train.get_checkpoint()
    if reported is None:
        return RunState()
    with reported.as_directory() as folder:
        model.load_state_dict(load_checkpoint(Path(folder)).model.state_dict())
        return load_state(Path(folder), optimizer)


def _training_batches(
    shard: ray.data.DataIterator, config: TrainConfig, dataset: Dataset, epoch: int, num_workers: int
) -> Iterator[Batch]:
    """This worker's patches of an epoch, with damage that is new in every epoch."""
    size = config.batch_size // num_workers
    tables = shard.iter_batches(
        batch_size=size,
        batch_format="numpy",
        local_shuffle_buffer_size=SHUFFLE_BUFFER,
        local_shuffle_seed=config.seed + epoch,
        prefetch_batches=2,
    )
    wanted, damage = config.budget.patches_per_epoch, parse_damage(config.damage)
    for table in islice(tables, None if wanted is None else math.ceil(wanted / config.batch_size)):
        rows = PatchRows(table["track_id"], table["genre"].tolist(), table["patch"], table["magnitudes"])
        yield damage_rows(rows, scale=dataset.scale, seed=config.seed + 1, epoch=epoch, damage=damage)


def _validation_batches(config: TrainConfig, dataset: Dataset, rank: int, num_workers: int) -> Iterator[Batch]:
    """This worker's part of the validation patches: each patch is scored by exactly one worker, none twice.

    Where only some are wanted, every k-th row of each row group.
    """
    wanted, total = config.budget.validation_patches, dataset.num_patches("validation")
    damage = parse_damage(config.damage)
    stride = 1 if wanted is None else max(1, total // wanted)
    for rows in read_rows(shard_uris(dataset, "validation"), part=rank, num_parts=num_workers):
        thinned = PatchRows(
            rows.track_id[::stride], rows.genre[::stride], rows.patch[::stride], rows.magnitudes[::stride]
        )
        yield damage_rows(thinned, scale=dataset.scale, seed=EVALUATION_SEED, damage=damage)


def _all_reduce(sums: Tensor, device: torch.device) -> Tensor:
    """The sum over all workers."""
    if torch.distributed.is_initialized():
        sums = sums.to(device)
        torch.distributed.all_reduce(sums)
    return sums.cpu()


def _metrics_row(epoch: int, trained: TrainingSums, sums: Tensor, device: torch.device) -> Row:
    totals = torch.tensor([trained.num_patches, trained.loss_sum, trained.wait_s, trained.seconds], dtype=torch.float64)
    num_patches, loss_sum, wait_s, worker_s = _all_reduce(totals, device).tolist()
    return {
        "epoch": epoch,
        "patches": num_patches,
        "train_loss": loss_sum / num_patches,
        **mean_scores(sums),
        "patches_per_s": num_patches / trained.seconds,
        "wait_share": wait_s / worker_s,
        "seconds": trained.seconds,
    }


def _report(
    config: TrainConfig,
    dataset: Dataset,
    model: nn.Module,
    optimizer: Optimizer,
    state: RunState,
    device: torch.device,
    rank: int,
) -> None:
    """Publish best, last, metrics.csv and pictures, and report the epoch to Ray with all that a resumed run needs."""
    row = state.history[-1]
    if rank != 0:
        ray.train.report(row)
        return
    run_uri = storage.join(config.output, config.name)
    checkpoint = Checkpoint(
        model=model,
        architecture=config.architecture,
        scale=dataset.scale,
        training={"config": config.identity(), "data": dataset.fingerprint, "scores": row},
    )
    with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        save_checkpoint(checkpoint, Path(folder))
        storage.publish_folder(Path(folder), storage.join(run_uri, "last"))
        if state.best() is row:
            storage.publish_folder(Path(folder), storage.join(run_uri, "best"))
        save_state(Path(folder), state, optimizer)
        example = next(_validation_batches(config, dataset, 0, 1))
        storage.write_bytes(storage.join(run_uri, "metrics.csv"), metrics_csv(state.history).encode())
        storage.write_bytes(storage.join(run_uri, "curves.png"), draw_curves(state.history, config.name))
        storage.write_bytes(storage.join(run_uri, "examples.png"), draw_examples(model, example, device))
        print(
            f"epoch {int(row['epoch'])}/{config.budget.epochs}  loss {row['train_loss']:.4g}  "
            f"validation {row['psnr']:.2f} dB PSNR  gain {row['gain']:.2f} dB  "
            f"(interpolation {row['interpolation_gain']:.2f} dB)  {row['patches_per_s']:.1f} patches/s  "
            f"{row['wait_share']:.0%} waiting for data",
            flush=True,
        )
        ray.train.report(row, checkpoint=ray.train.Checkpoint.from_directory(folder))
