"""Trainings of a given time, without Ray, for the benchmarks of networks."""

import itertools
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from inpaint_ray.audio.damage import FRAMES, parse_damage
from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import shard_rows
from inpaint_ray.models.losses import LossName
from inpaint_ray.train.config import Optimisation, Precision
from inpaint_ray.train.epoch import TrainingSums, mean_scores, train_epoch, validate
from inpaint_ray.train.learner import Learner
from inpaint_ray.train.loader import BatchMaker, Prefetch, Step, training_steps, validation_steps
from inpaint_ray.train.order import Order, count_lanes
from inpaint_ray.train.sources import HostSource, Source, read_requests

WARMUP_STEPS = 300
FALL = 0.4  # the last share of the time, over which the learning rate falls to nothing
AT_ONCE = 256  # validation patches on a device

now: Callable[[], float] = time.monotonic  # the clock that a training goes by


def learner_of(
    model: nn.Module,
    optimisation: Optimisation,
    loss: LossName,
    device: torch.device,
    seconds: float | None,
    precision: Precision,
) -> Learner:
    """Make a learner whose learning rate rises, stays and falls to nothing by the clock; with None it stays."""
    learner = Learner(model, optimisation, precision, loss, device, total_steps=1)
    began = now()

    def factor(step: int) -> float:
        left = 1.0 if seconds is None else max(1.0 - (now() - began) / seconds, 0.0)
        return min((step + 1) / WARMUP_STEPS, left / FALL, 1.0)

    learner.schedule = LambdaLR(learner.optimizer, factor)
    return learner


def endless_steps(
    dataset: Dataset,
    source: Source,
    batch_size: int,
    damage: tuple[str, ...],
    device: torch.device,
    *,
    reverse: bool,
    seed: int = 0,
) -> Iterator[Step]:
    """Yield steps of epoch after epoch, in the order of jobs/train.py."""
    shards = shard_rows(dataset, "train")
    total = sum(shards.values())
    whole_steps = max(total // batch_size, 1) * batch_size  # no step of another size, for which one would compile again
    order = Order(shards, seed, batch_size, count_lanes(batch_size, 1, total), whole_steps)
    maker = BatchMaker(scale=dataset.scale, seed=seed + 1, damage=parse_damage(damage), reverse=reverse, device=device)
    lanes, starts = list(range(order.num_lanes)), [(epoch, 0) for epoch in range(10_000)]
    return (step for step in training_steps(order, lanes, 1, source, maker, starts) if step is not None)


def train_for(
    learner: Learner, steps: Iterator[Step], seconds: float, after_read: Callable[[TrainingSums], None]
) -> TrainingSums:
    """Train until the time is over."""
    sums, until = TrainingSums(), now() + seconds
    with Prefetch(steps, learner.device) as ahead:
        limited = itertools.takewhile(lambda _: now() < until, ahead)
        train_epoch(learner, limited, sums, after_read=lambda: after_read(sums))
    return sums


def validation_scores(
    model: nn.Module, dataset: Dataset, device: torch.device, *, stride: int = 1, damage: tuple[str, ...] = ()
) -> dict[str, float]:
    """Score every `stride`-th validation patch of each row group, damaged as in every evaluation; returns means."""
    held_out, genres = shard_rows(dataset, "validation"), sorted(dataset.patches["validation"])
    requests = (request for uri, rows in held_out.items() for request in read_requests(uri, rows, stride))
    damages = parse_damage(damage) if damage else FRAMES
    maker = BatchMaker(scale=dataset.scale, seed=0, damage=damages, reverse=False, device=device)
    steps = validation_steps(HostSource(held_out, None, device), maker, requests, AT_ONCE)
    with Prefetch(steps, device) as ahead:
        return mean_scores(validate(model, (step.batch for step in ahead), genres, device))
