"""An epoch in plain torch: knows nothing of Ray.

Shapes: batches of (B, 1, T, F) patches (inpaint_ray.data.batches.Batch).
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inpaint_ray.data.batches import Batch
from inpaint_ray.filling.spectrogram import SCORES, find_changed, score_patches
from inpaint_ray.train.learner import Learner

FIRST_SCORE = 2  # column of the sums: before it are two counts


@dataclass
class TrainingSums:
    """What one worker did in one epoch so far."""

    steps: int = 0
    num_patches: int = 0
    loss_sum: float = 0.0  # over patches
    wait_s: float = 0.0  # for data
    seconds: float = 0.0


def train_epoch(
    learner: Learner,
    batches: Iterable[tuple[Batch, float]],
    sums: TrainingSums,
    *,
    after_step: Callable[[], None] = lambda: None,
) -> None:
    """One pass over batches, or what is left of it.

    Args:
        learner: what learns.
        batches: (this worker's patches of a step, their weight: see `Learner.step`).
        sums: counts on from what was done before an interruption.
        after_step: called after each step, with the sums up to date.

    Raises:
        JobFailedError: the loss is not finite, or memory is short.
    """
    learner.train_mode()
    asked = time.monotonic()
    for batch, weight in batches:
        started = time.monotonic()
        sums.wait_s += started - asked
        loss = learner.step(batch, weight)
        sums.steps += 1
        sums.num_patches += len(batch)
        sums.loss_sum += loss * len(batch)
        sums.seconds += time.monotonic() - asked
        asked = time.monotonic()
        after_step()


def validate(model: nn.Module, batches: Iterable[Batch], genres: list[str], device: torch.device) -> Tensor:
    """Sums of scores by genre, which add up over workers.

    Returns:
        (G, 2 + S) float64 on the CPU: patches that count, those of them for which the network's output is not finite,
        then the sum of each of the S scores of SCORES over all that count.
    """
    model.eval()
    sums = torch.zeros(len(genres), FIRST_SCORE + len(SCORES), dtype=torch.float64)
    for batch in batches:
        batch = batch.to(device)
        scores = score_patches(model, batch.damaged, batch.target, batch.lost)
        counted = find_changed(batch.damaged, batch.target)
        failed = (scores["psnr"] == -math.inf).double()
        columns = torch.stack([torch.ones_like(failed), failed, *(scores[name] for name in SCORES)], dim=1)
        rows = torch.where(counted.unsqueeze(1), columns, 0.0).cpu()
        sums.index_add_(0, torch.tensor([genres.index(genre) for genre in batch.genre]), rows)
    return sums


def mean_scores(sums: Tensor) -> dict[str, float]:
    """Means over all genres' patches of what `validate` gives, with the gains over the damaged input in dB.

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
    """Gain in dB by genre, from what `validate` gives; not a number where no patch of a genre was scored."""
    count, damaged, psnr = (
        sums[:, column]
        for column in (0, FIRST_SCORE + SCORES.index("damaged_psnr"), FIRST_SCORE + SCORES.index("psnr"))
    )
    return {f"gain_{genre}": gain for genre, gain in zip(genres, ((psnr - damaged) / count).tolist(), strict=True)}
