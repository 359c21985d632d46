"""An epoch in plain torch: knows nothing of Ray.

Shapes: batches of (B, 1, T, F) patches (inpaint_ray.data.batches.Batch).
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inpaint_ray.data.batches import Batch
from inpaint_ray.errors import JobFailedError
from inpaint_ray.inpainting.spectrogram import SCORES, finite_patches, score_patches
from inpaint_ray.progress import Progress
from inpaint_ray.train.losses import Loss


@dataclass(frozen=True)
class TrainingSums:
    """What one worker did in one epoch."""

    num_patches: int
    loss_sum: float  # over patches
    wait_s: float  # for data
    seconds: float


def train_epoch(
    model: nn.Module,
    batches: Iterable[Batch],
    loss: Loss,
    optimizer: Optimizer,
    device: torch.device,
    progress: Progress | None = None,
) -> TrainingSums:
    """One pass over the batches.

    Raises:
        JobFailedError: the loss is not finite; the message names the tracks of the batch.
    """
    model.train()
    num_patches, loss_sum, wait_s = 0, 0.0, 0.0
    started = asked = time.monotonic()
    for batch in batches:
        wait_s += time.monotonic() - asked
        batch = batch.to(device)
        optimizer.zero_grad(set_to_none=True)
        value = loss(model(batch.damaged), batch.target, batch.lost)
        if not math.isfinite(value.item()):
            tracks = sorted(set(batch.track_id.tolist()))
            raise JobFailedError(f"loss is {value.item()} in a batch of tracks {tracks}; try a lower --learning-rate")
        value.backward()
        optimizer.step()
        count = len(batch.genre)
        num_patches += count
        loss_sum += value.item() * count
        if progress is not None:
            progress.add(count, f"loss {loss_sum / num_patches:.4g}")
        asked = time.monotonic()
    return TrainingSums(num_patches, loss_sum, wait_s, time.monotonic() - started)


def validate(model: nn.Module, batches: Iterable[Batch], genres: list[str], device: torch.device) -> Tensor:
    """Sums of scores by genre, which add up over workers.

    Returns:
        (G, 1 + S) float64 on the CPU: patches that count, then the sum of each of the S scores of SCORES over them.
    """
    model.eval()
    sums = torch.zeros(len(genres), 1 + len(SCORES), dtype=torch.float64)
    for batch in batches:
        batch = batch.to(device)
        scores = score_patches(model, batch.damaged, batch.target, batch.lost)
        counted = finite_patches(scores)
        columns = torch.stack([torch.ones_like(scores["psnr"]), *(scores[name] for name in SCORES)], dim=1)
        rows = torch.where(counted.unsqueeze(1), columns, 0.0).cpu()
        sums.index_add_(0, torch.tensor([genres.index(genre) for genre in batch.genre]), rows)
    return sums


def mean_scores(sums: Tensor) -> dict[str, float]:
    """Means over all genres' patches of what `validate` gives, with the gains over the damaged input in dB."""
    total = sums.sum(dim=0)
    means = dict(zip(SCORES, (total[1:] / total[0]).tolist(), strict=True))
    return means | {
        "gain": means["psnr"] - means["damaged_psnr"],
        "interpolation_gain": means["interpolation_psnr"] - means["damaged_psnr"],
        "network_gain": means["network_psnr"] - means["damaged_psnr"],
    }
