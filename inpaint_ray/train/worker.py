"""The work of every training process; the only file that calls ray.train inside the workers."""

import logging
import math
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import ray.train
import ray.train.torch
import torch
import torch.distributed
from ray.actor import ActorHandle
from torch import Tensor, nn

from inpaint_ray.audio.damage import parse_damage
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.data.batches import EVALUATION_SEED
from inpaint_ray.data.cache import PatchCache
from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import shard_rows
from inpaint_ray.errors import JobFailedError
from inpaint_ray.metrics import count, node_address
from inpaint_ray.models.checkpoint import Checkpoint
from inpaint_ray.models.registry import build_model
from inpaint_ray.progress import Progress, format_duration
from inpaint_ray.terminal import say
from inpaint_ray.train.config import DEVICE, TrainConfig
from inpaint_ray.train.epoch import READ_EVERY, TrainingSums, genre_gains, mean_scores, train_epoch, validate
from inpaint_ray.train.learner import Learner
from inpaint_ray.train.loader import BatchMaker, Prefetch, Step, training_steps, validation_steps
from inpaint_ray.train.order import Order, count_lanes
from inpaint_ray.train.publish import publish_epoch
from inpaint_ray.train.sources import DeviceSource, HostSource, Source, read_requests
from inpaint_ray.train.state import Row, RunState, load_state, save_state

NOTABLE_WAIT = 0.1  # share of the time
AGREE_EVERY = READ_EVERY  # steps: so often workers agree on whether it is time to save


def train_worker(config: TrainConfig, dataset: Dataset, submitted: float, place: ActorHandle) -> None:
    """Train from the last reported checkpoint, or from the start, to the last epoch.

    Args:
        config: the run.
        dataset: what it trains on.
        submitted: when the command was given, in seconds since 1970.
        place: is told the current step (see `retries.Place`).

    Raises:
        JobFailedError: training would only fail again.
    """
    logging.getLogger().setLevel(logging.WARNING)  # Ray Train would print every report, past its own LoggingConfig
    try:
        _Run(config, dataset, submitted, place).to_the_end()
    except torch.OutOfMemoryError as error:  # in a step it is a JobFailedError that knows which flag helps
        problem = str(error).partition(". ")[0]
        raise JobFailedError(
            f"out of memory beside the steps of training: {problem}; take a smaller architecture, "
            "or a device that nobody else uses"
        ) from error


class _Run:
    """One worker's part of a run."""

    def __init__(self, config: TrainConfig, dataset: Dataset, submitted: float, place: ActorHandle) -> None:
        self.config, self.dataset, self.submitted, self.place = config, dataset, submitted, place
        context = ray.train.get_context()  # [1] who this worker is
        self.rank, self.num_workers = context.get_world_rank(), context.get_world_size()
        if not config.workers.use_gpu:
            cores = len(os.sched_getaffinity(0)) // context.get_local_world_size()
            torch.set_num_threads(config.workers.cpus_per_worker or max(1, cores))
        shards, size = shard_rows(dataset, "train"), config.optimisation.batch_size
        num_patches = sum(shards.values())
        num_lanes = count_lanes(size, config.workers.num_workers, num_patches)
        patches = config.budget.patches_per_epoch or num_patches
        self.order = Order(shards, config.seed, size, num_lanes, patches)
        self.lanes = list(range(num_lanes))[self.rank :: self.num_workers]
        self.at_once = math.ceil(size / self.num_workers / config.optimisation.accumulate)
        torch.manual_seed(config.seed)
        self.device = ray.train.torch.get_device()
        self.learner = Learner(
            _first_model(config),
            config.optimisation,
            config.precision,
            config.loss_name,
            self.device,
            total_steps=self.order.num_steps * config.budget.epochs,
            # [2] distributed data parallel
            distribute=partial(
                ray.train.torch.prepare_model, parallel_strategy_kwargs={"gradient_as_bucket_view": True}
            ),
        )
        torch.manual_seed(config.seed + 1_000 + self.rank)  # random layers draw differently in each worker
        self.state = self._resume()
        self.sources: dict[str, Source] = {}
        self.last_save = -math.inf  # soon after each start, so that a run gets on even where workers die often
        self.noticed: ray.train.PreemptionInfo | None = None  # the last loss of nodes that was saved for

    def to_the_end(self) -> None:
        who = f"{self.config.name}: worker {self.rank + 1} of {self.num_workers}"
        say(f"train  {who} on {self.device}  (node {node_address()})")
        with Prefetch(self._training(), self.device) as ahead:
            self._epochs(ahead)

    def _epochs(self, ahead: Prefetch) -> None:
        budget = self.config.budget
        for epoch in range(self.state.epoch, budget.epochs):
            if over := budget.why_over(self.state.history):
                self._say(f"stopped: {over}")
                break
            self._train(epoch, ahead)
            genres = sorted(genre for genre, count in self.dataset.patches["validation"].items() if count)
            self.learner.share_statistics()
            with Prefetch(self._validation(self.rank, self.num_workers), self.device) as mine:
                batches = (step.batch for step in mine)
                scored = validate(
                    self.learner.best_guess, batches, genres, self.device, bf16=self.config.precision.bf16_validation
                )
            self.state.history.append(self._row(epoch + 1, _all_reduce(scored, self.device), genres))
            self.state.sums = TrainingSums()
            self._report_epoch()

    def _training(self) -> Iterator[Step | None]:
        """Return this worker's steps, from the state's place to the last epoch."""
        config = self.config
        starts = [(epoch, 0) for epoch in range(self.state.epoch, config.budget.epochs)]
        starts[:1] = [(epoch, self.state.sums.steps) for epoch, _ in starts[:1]]
        maker = self._maker(config.damage, config.seed + 1)
        return training_steps(self.order, self.lanes, self.num_workers, self._source("train"), maker, starts)

    def _validation(self, part: int, num_parts: int) -> Iterator[Step | None]:
        """Return one worker's validation batches: each patch is in exactly one; if not all are used, every k-th row.

        No more at once than in a part of a training step, which fitted into memory.
        """
        config, shards = self.config, shard_rows(self.dataset, "validation")
        wanted, total = config.budget.validation_patches, self.dataset.num_patches("validation")
        stride = 1 if wanted is None else max(1, math.ceil(total / wanted))
        every = (request for uri, rows in shards.items() for request in read_requests(uri, rows, stride))
        mine = islice(every, part, None, num_parts)
        maker = self._maker(config.validation_damage or config.damage, EVALUATION_SEED)
        return validation_steps(self._source("validation"), maker, mine, self.at_once)

    def _source(self, split: str) -> Source:
        """Return the source of a split's patches, the same in every epoch."""
        if split not in self.sources:
            folder, shards = self.config.workers.cache_folder, shard_rows(self.dataset, split)
            cache = PatchCache(folder, self.dataset, split) if folder else None
            source: Source = HostSource(shards, cache, self.device)
            in_device = DEVICE in self.config.workers.cache
            self.sources[split] = DeviceSource(shards, source, self.device) if in_device else source
        return self.sources[split]

    def _maker(self, damage: tuple[str, ...], seed: int) -> BatchMaker:
        return BatchMaker(
            scale=self.dataset.scale,
            seed=seed,
            damage=parse_damage(damage),
            reverse=self.config.reverse,
            device=self.device,
        )

    def _train(self, epoch: int, ahead: Prefetch) -> None:
        sums = self.state.sums
        self._tell_place()
        verb, self.reported = f"epoch {epoch + 1}/{self.config.budget.epochs}", sums.steps
        done = self.order.patches_before(sums.steps)
        self.progress = Progress(verb, self.order.patches_per_epoch, "patches", done=done)
        train_epoch(self.learner, ahead, sums, after_read=self._after_read)

    def _after_read(self) -> None:
        """Print the progress, and save a checkpoint now and then."""
        sums = self.state.sums
        if self.submitted:
            self._say(f"first step {format_duration(time.time() - self.submitted)} after the command")
            self.submitted = 0.0
        if self.rank == 0:
            waiting, loss = sums.wait_s / max(sums.seconds, 1e-9), sums.loss_sum / sums.num_patches
            patches = self.order.patches_before(sums.steps) - self.order.patches_before(self.reported)
            self.reported = sums.steps
            count("train", patches=patches)
            self.progress.add(patches, f"loss {loss:.4g}  {waiting:.0%} waiting for data")
        if sums.steps % AGREE_EVERY == 0 or sums.steps == self.order.num_steps:
            self._tell_place()
        if sums.steps % AGREE_EVERY or sums.steps == self.order.num_steps:
            return
        due = torch.tensor(float(time.monotonic() - self.last_save > 60 * self.config.saving.checkpoint_minutes))
        notice = ray.train.get_preemption_info()  # [4] nodes that will be taken away; the same for all workers
        if _all_reduce(due, self.device) or (notice is not None and notice != self.noticed):
            self.last_save, self.noticed = time.monotonic(), notice
            metrics = (self.state.history or [{}])[-1] | {"steps": sums.steps}
            self._report(metrics, replace(self.state, sums=self._sums_of_all()))
            self._say(f"saved at step {self.state.sums.steps} of {self.order.num_steps}")

    def _row(self, epoch: int, sums: Tensor, genres: list[str]) -> Row:
        mine = self._sums_of_all()
        wait_s, worker_s = _all_reduce(torch.tensor([mine.wait_s, mine.seconds]), self.device).tolist()
        seconds = worker_s / self.num_workers  # the same for all, who decide by it whether to go on
        return {
            "epoch": epoch,
            "patches": mine.num_patches,
            "train_loss": mine.loss_sum / mine.num_patches,
            **mean_scores(sums),
            "learning_rate": self.learner.schedule.get_last_lr()[0],
            "patches_per_s": mine.num_patches / max(seconds, 1e-9),
            "wait_share": wait_s / max(worker_s, 1e-9),
            "seconds": seconds,
            "workers": self.num_workers,
            **genre_gains(sums, genres),
        }

    def _resume(self) -> RunState:
        reported = ray.train.get_checkpoint()  # [3] the last checkpoint that was reported
        fresh = RunState(num_lanes=self.order.num_lanes)
        if reported is None:
            return fresh
        with reported.as_directory() as folder:
            state = load_state(Path(folder), self.learner)
        if self.rank != 0:  # the random state that is kept is that of the first
            torch.manual_seed(self.config.seed + 1_000 * (1 + self.rank) + state.sums.steps)
        if state.history and state.history[-1]["workers"] != self.num_workers:
            self._say(f"{self.num_workers} workers now: batches stay at {self.order.batch_size} patches over all")
        if state.num_lanes != self.order.num_lanes and state.sums.steps:
            self._say("batches are divided differently now: this epoch starts again")
            state.sums = TrainingSums()
        if self.rank != 0:
            state.sums = replace(state.sums, num_patches=0, loss_sum=0.0)  # the first worker has what was counted
        state.num_lanes = self.order.num_lanes
        self._say(f"goes on with epoch {state.epoch + 1}, step {state.sums.steps + 1}")
        return state

    def _report_epoch(self) -> None:
        row, budget = self.state.history[-1], self.config.budget
        self._say(
            f"epoch {int(row['epoch'])}/{budget.epochs}  loss {row['train_loss']:.4g}  "
            f"validation {row['psnr']:.2f} dB PSNR  gain {row['gain']:.2f} dB  "
            f"(interpolation {row['interpolation_gain']:.2f} dB)  {row['patches_per_s']:.1f} patches/s  "
            f"{row['wait_share']:.0%} waiting for data"
            + (" (--cache would help)" if row["wait_share"] > NOTABLE_WAIT and not self.config.workers.cache else "")
            + (f"  output NOT FINITE on {row['failed_patches']:.0f} patches" if row["failed_patches"] else "")
        )
        if self.rank == 0:
            example = next(filter(None, self._validation(0, self.dataset.num_patches("validation"))))  # one row group
            publish_epoch(self.config, self.state, self._checkpoint(), example.batch, self.device)
        self._report(row, self.state)
        self.last_save = time.monotonic()

    def _sums_of_all(self) -> TrainingSums:
        """Return the counts and loss of all workers in this epoch so far, with this worker's times."""
        mine = self.state.sums
        totals = _all_reduce(torch.tensor([mine.num_patches, mine.loss_sum], dtype=torch.float64), self.device)
        return replace(mine, num_patches=int(totals[0]), loss_sum=float(totals[1]))

    def _report(self, metrics: Row, state: RunState) -> None:
        """Report the metrics and a checkpoint for resuming to Ray; every worker does so at the same step."""
        if self.rank != 0:
            ray.train.report(metrics)
            return
        with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
            save_state(Path(folder), state, self.learner, self._checkpoint())
            ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            model=self.learner.best_guess,
            architecture=self.config.architecture,
            scale=self.dataset.scale,
            training={
                "config": self.config.identity(),
                "data": self.dataset.fingerprint,
                "grid": self.dataset.grid,
                "scores": self.state.history[-1] if self.state.history else {},
            },
        )

    def _tell_place(self) -> None:
        """Tell the driver's actor the current step, without waiting for an answer."""
        if self.rank == 0:
            self.place.reach.remote((self.state.epoch, self.state.sums.steps))

    def _say(self, text: str) -> None:
        if self.rank == 0:
            say(text)


def _first_model(config: TrainConfig) -> nn.Module:
    model = build_model(config.architecture)
    if config.init_from is not None:
        model.load_state_dict(open_checkpoint(config.init_from).model.state_dict())
    return model


def _all_reduce(sums: Tensor, device: torch.device) -> Tensor:
    """Sum a tensor over all workers."""
    if torch.distributed.is_initialized():
        sums = sums.to(device)
        torch.distributed.all_reduce(sums)
    return sums.cpu()
