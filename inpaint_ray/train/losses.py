"""Losses by name: (predicted, target, lost) -> a scalar, a mean over patches.

Shapes: (B, 1, T, F) normalised magnitudes, lost (B, T) bool.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from inpaint_ray.models.losses import LossName

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

SILENCE = 1e-9  # summed squared error below which a patch no longer counts; -130 dB PSNR
LOG_FLOOR = 1e-3  # the floor that normalisation adds to every magnitude
SCALES = (1, 2, 4, 8)  # frames and bins that are averaged


def mse(predicted: Tensor, target: Tensor, lost: Tensor) -> Tensor:
    """Mean squared error over all of every patch: the reference's."""
    return (predicted - target).square().mean()


def l1(predicted: Tensor, target: Tensor, lost: Tensor) -> Tensor:
    """Mean absolute error over all of every patch."""
    return (predicted - target).abs().mean()


def log(predicted: Tensor, target: Tensor, lost: Tensor) -> Tensor:
    """Mean absolute difference of log magnitudes, floored at 0.001."""
    return (predicted.clamp(min=LOG_FLOOR).log() - target.clamp(min=LOG_FLOOR).log()).abs().mean()


def multi_resolution(predicted: Tensor, target: Tensor, lost: Tensor) -> Tensor:
    """Mean over scales of the absolute error of averages of 1, 2, 4 and 8 frames and bins."""
    error = predicted - target
    return torch.stack([functional.avg_pool2d(error, scale).abs().mean() for scale in SCALES]).mean()


def gap_mse(predicted: Tensor, target: Tensor, lost: Tensor) -> Tensor:
    """Mean squared error over the lost frames of each patch, averaged over patches."""
    return _mean_in_gap((predicted - target).square(), lost)


def gap_l1(predicted: Tensor, target: Tensor, lost: Tensor) -> Tensor:
    """Mean absolute error over the lost frames of each patch, averaged over patches."""
    return _mean_in_gap((predicted - target).abs(), lost)


def gap_db(predicted: Tensor, target: Tensor, lost: Tensor) -> Tensor:
    """Mean over patches of the squared error in lost frames in dB: what PSNR measures, quiet and loud patches alike."""
    error = ((predicted - target).float().square() * lost[:, None, :, None]).sum(dim=(1, 2, 3))
    return 10 * torch.log10(error + SILENCE).mean()


def gap_root(predicted: Tensor, target: Tensor, lost: Tensor) -> Tensor:
    """Mean over patches of the root of the squared error in lost frames over the energy there.

    Between `gap_mse`, which loud patches rule, and `gap_db`, which patches that are nearly right rule.
    """
    mask = lost[:, None, :, None]
    error, energy = (
        (values.float().square() * mask).sum(dim=(1, 2, 3)) for values in (predicted - target, target - LOG_FLOOR)
    )
    return torch.sqrt((error + SILENCE) / (energy + SILENCE)).mean()


def _mean_in_gap(error: Tensor, lost: Tensor) -> Tensor:
    mask = lost[:, None, :, None]
    num_values = lost.sum(dim=1).clamp(min=1) * error.shape[-1]
    return ((error * mask).sum(dim=(1, 2, 3)) / num_values).mean()


LOSSES: dict[LossName, Loss] = {
    "mse": mse,
    "l1": l1,
    "log": log,
    "multi_resolution": multi_resolution,
    "gap_mse": gap_mse,
    "gap_l1": gap_l1,
    "gap_db": gap_db,
    "gap_root": gap_root,
}
