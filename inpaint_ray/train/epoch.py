"""Epochs of training and validation in plain torch; know nothing of Ray.

Shapes: batches of (B, 1, T, F) patches (inpaint_ray.data.batches.Batch).
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inpaint_ray.data.batches import Batch
from inpaint_ray.errors import JobFailedError
from inpaint_ray.filling.spectrogram import SCORES, find_changed, score_patches
from inpaint_ray.train.learner import Learner
from inpaint_ray.train.loader import Step

READ_EVERY = 20  # steps on a GPU
FIRST_SCORE = 2  # column of the sums: before it are two counts


@dataclass
class TrainingSums:
    """Counts, loss and times of one worker in one epoch so far."""

    steps: int = 0
    num_patches: int = 0
    loss_sum: float = 0.0  # over patches
    wait_s: float = 0.0  # for data
    seconds: float = 0.0


def train_epoch(
    learner: Learner, steps: Iterable[Step], sums: TrainingSums, *, after_read: Callable[[], None] = lambda: None
) -> None:
    """Train for one epoch, or for the rest of one.

    Args:
        learner: the model in training.
        steps: this worker's.
        sums: counts on from what was done before an interruption.
        after_read: called with the sums up to date: after each step on a CPU, after every READ_EVERY on a GPU, whose
            losses nobody waits for in between; and after the first and the last.

    Raises:
        JobFailedError: the loss is not finite, or memory is short.
    """
    learner.train_mode()
    clock = _GPUClock() if learner.device.type == "cuda" else _CPUClock()
    unread: list[tuple[Tensor, Batch]] = []
    began = time.monotonic()

    def read() -> None:
        nonlocal began
        losses = torch.stack([loss for loss, _ in unread]).tolist()
        for loss, (_, batch) in zip(losses, unread, strict=True):
            if not math.isfinite(loss):
                raise JobFailedError(f"loss is {loss} in a batch of {_tracks(batch)}; try a lower --learning-rate")
            sums.num_patches += len(batch.track_id)
            sums.loss_sum += loss * len(batch.track_id)
        sums.steps += len(unread)
        sums.wait_s += clock.read_waits()
        sums.seconds += time.monotonic() - began
        began = time.monotonic()
        unread.clear()
        after_read()

    first = True
    for batch, weight in clock.timed(steps):
        unread.append((learner.step(batch, weight), batch.without_patches()))
        if first or (sums.steps + len(unread)) % clock.every == 0:
            read()
        first = False
    if unread:
        read()


class _CPUClock:
    """A clock of the time that steps wait for data: from asking for a batch to having it."""

    every = 1  # steps until a loss is read

    def __init__(self) -> None:
        self._wait_s = 0.0

    def timed(self, steps: Iterable[Step]) -> Iterator[Step]:
        asked = time.monotonic()
        for step in steps:
            self._wait_s += time.monotonic() - asked
            yield step
            asked = time.monotonic()

    def read_waits(self) -> float:
        """Return the seconds of waiting since the last call."""
        waits, self._wait_s = self._wait_s, 0.0
        return waits


class _GPUClock:
    """A clock of the time that the device is idle between steps, by CUDA events.

    The process is two steps ahead of the device at most, so that no more batches wait in its memory.
    """

    every = READ_EVERY

    def __init__(self) -> None:
        self._begun: list[torch.cuda.Event] = []
        self._done: list[torch.cuda.Event] = []

    def timed(self, steps: Iterable[Step]) -> Iterator[Step]:
        for step in steps:
            self._begun.append(_record())
            yield step
            if self._begun:
                self._done.append(_record())
            if len(self._done) > 1:
                self._done[-2].synchronize()

    def read_waits(self) -> float:
        """Return the idle seconds between steps since the last call; losses were read, so the steps are over.

        What comes before the next step is the reading, and no waiting for data.
        """
        waits = sum(done.elapsed_time(begun) for done, begun in zip(self._done, self._begun[1:], strict=True)) / 1e3
        self._begun, self._done = [], []
        return waits


def _record() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def validate(
    model: nn.Module, batches: Iterable[Batch], genres: list[str], device: torch.device, *, bf16: bool = False
) -> Tensor:
    """Score validation patches: sums by genre, which add up over workers.

    Args:
        model: what is scored.
        batches: with genres.
        genres: all there are.
        device: of the model.
        bf16: compute the network in bfloat16.

    Returns:
        (G, 2 + S) float64 on the CPU: patches that count, those of them for which the network's output is not finite,
        then the sum of each of the S scores of SCORES over all that count.
    """
    model.eval()
    sums = torch.zeros(len(genres), FIRST_SCORE + len(SCORES), dtype=torch.float64)
    for batch in batches:
        batch = batch.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            scores = score_patches(model, batch.damaged, batch.target, batch.lost)
        counted = find_changed(batch.damaged, batch.target)
        failed = (scores["psnr"] == -math.inf).double()
        columns = torch.stack([torch.ones_like(failed), failed, *(scores[name] for name in SCORES)], dim=1)
        rows = torch.where(counted.unsqueeze(1), columns, 0.0).cpu()
        sums.index_add_(0, torch.tensor([genres.index(genre) for genre in batch.genre]), rows)
    return sums


def mean_scores(sums: Tensor) -> dict[str, float]:
    """Compute means over all patches from the sums of `validate`, and the gains over the damaged input in dB.

    `failed_patches` is a count; where it is not 0, PSNR and gain are minus infinity (see `score_magnitudes`).
    """
    total = sums.sum(dim=0)
    means = dict(zip(SCORES, (total[FIRST_SCORE:] / total[0]).tolist(), strict=True))
    return means | {
        "failed_patches": total[1].item(),
        "gain": means["psnr"] - means["damaged_psnr"],
        "interpolation_gain": means["interpolation_psnr"] - means["damaged_psnr"],
        "network_gain": means["network_psnr"] - means["damaged_psnr"],
    }


def genre_gains(sums: Tensor, genres: list[str]) -> dict[str, float]:
    """Compute the gain in dB by genre from the sums of `validate`; NaN where no patch of a genre was scored."""
    count, damaged, psnr = (
        sums[:, column]
        for column in (0, FIRST_SCORE + SCORES.index("damaged_psnr"), FIRST_SCORE + SCORES.index("psnr"))
    )
    return {f"gain_{genre}": gain for genre, gain in zip(genres, ((psnr - damaged) / count).tolist(), strict=True)}


def _tracks(batch: Batch) -> str:
    """Format the identity of a batch's patches, for a message."""
    patches = [f"{track}:{patch}" for track, patch in zip(batch.track_id.tolist(), batch.patch.tolist(), strict=True)]
    return f"track:patch {', '.join(patches)}"
