"""Losses by name: (predicted, target, lost) -> a scalar.

Shapes: (B, 1, T, F) normalised magnitudes, lost (B, T) bool.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from inpaint_ray.models.registry import LossName

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
SILENCE = 1e-9  # summed squared error below which a patch no longer counts; -130 dB PSNR


def mse(predicted: Tensor, target: Tensor, lost: Tensor) -> Tensor:
    """Mean squared error over all of every patch: the reference's."""
    return (predicted - target).square().mean()


def gap_db(predicted: Tensor, target: Tensor, lost: Tensor) -> Tensor:
    """Mean over patches of the squared error in lost frames in dB: what PSNR measures, quiet and loud patches alike."""
    error = ((predicted - target).float().square() * lost[:, None, :, None]).sum(dim=(1, 2, 3))
    return 10 * torch.log10(error + SILENCE).mean()


LOSSES: dict[LossName, Loss] = {"mse": mse, "gap_db": gap_db}
