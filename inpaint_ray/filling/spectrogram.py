"""Filling of lost frames of spectrograms by a network or by interpolation; known frames stay as they are.

Shapes: B = spectrograms or patches, T = frames, F = bins.
"""

import math

import torch
from torch import Tensor, nn

from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.audio.metrics import NORMALISATION_FLOOR, denormalise, normalise, nrmse, psnr
from inpaint_ray.filling.tiles import predict

SCORES = ("damaged_psnr", "interpolation_psnr", "psnr", "network_psnr", "damaged_nrmse", "interpolation_nrmse", "nrmse")
HIGHEST_PSNR = 150.0  # dB: an error of 3e-8 of full scale, half the rounding step of float32 there


def restore_magnitudes(magnitudes: Tensor, lost: Tensor, *, model: nn.Module | None, scale: float = 1.0) -> Tensor:
    """Fill lost frames of linear magnitudes.

    Args:
        magnitudes: (B, T, F) linear, >= 0; what stands in lost frames is not looked at.
        lost: (B, T) bool, True where a frame is missing.
        model: a network on normalised magnitudes, in evaluation mode; None interpolates.
        scale: the largest training magnitude of the model.

    Returns:
        (B, T, F); known frames are the input's, bit for bit, and filled ones are finite and >= 0.

    Raises:
        ValueError: the network's output is not finite in a lost frame.
    """
    if model is None:
        return interpolate_frames(magnitudes, lost)
    silenced = magnitudes.masked_fill(lost.unsqueeze(-1), 0.0)
    with torch.inference_mode():
        output = predict(model, normalise(silenced, scale).unsqueeze(1)).squeeze(1)
        restored = denormalise(output, scale).to(magnitudes.dtype)
    failed = lost & ~(output.isfinite() & restored.isfinite()).all(dim=-1)
    if failed.any():
        raise ValueError(
            f"the network's output is not finite in {int(failed.sum())} of {int(lost.sum())} lost frames; use another "
            "checkpoint, or fill without one"
        )
    return torch.where(lost.unsqueeze(-1), restored, magnitudes)


def score_patches(
    model: nn.Module, damaged: Tensor, target: Tensor, lost: Tensor, *, scale_ratio: float = 1.0
) -> dict[str, Tensor]:
    """Score each patch of a batch: the damaged input, interpolation and a network.

    Args:
        model: the network, in evaluation mode.
        damaged: (B, 1, T, F) normalised.
        target: (B, 1, T, F) normalised.
        lost: (B, T) bool.
        scale_ratio: the data's scale over the model's, where it was trained on other data.

    Returns:
        The names of SCORES, each (B,) float64. `psnr` and `nrmse` are of what users get: the network's frames where
        frames are lost, the input's elsewhere. `network_psnr` is of the network's bare output, which is what the
        reference publishes. What `score_magnitudes` says of perfect and of failed patches holds for all.
    """
    with torch.inference_mode():
        if scale_ratio == 1:
            output = predict(model, damaged)
        else:
            output = _rescale(predict(model, _rescale(damaged, scale_ratio)), 1 / scale_ratio)
    truth, given, bare = (tensor.squeeze(1).float() for tensor in (target, damaged, output))
    restored = torch.where(lost.unsqueeze(-1), bare, truth)
    interpolated = interpolate_frames(given, lost)
    damaged_psnr, damaged_nrmse = score_magnitudes(given, truth)
    interpolation_psnr, interpolation_nrmse = score_magnitudes(interpolated, truth)
    restored_psnr, restored_nrmse = score_magnitudes(restored, truth)
    network_psnr, _ = score_magnitudes(bare, truth)
    return {
        "damaged_psnr": damaged_psnr,
        "interpolation_psnr": interpolation_psnr,
        "psnr": restored_psnr,
        "network_psnr": network_psnr,
        "damaged_nrmse": damaged_nrmse,
        "interpolation_nrmse": interpolation_nrmse,
        "nrmse": restored_nrmse,
    }


def score_magnitudes(filled: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Compute PSNR in dB and NRMSE of each patch, such that their means can be compared.

    A perfect patch has an infinite PSNR, which no mean can hold: HIGHEST_PSNR is the most that counts. Output that is
    not finite is a failure, and worse than any other: a PSNR of minus infinity and an infinite NRMSE, which no mean
    over patches hides. To leave such patches out, or to score them as damaged, would raise the mean of a network that
    fails where it would have been bad.

    Args:
        filled: (B, T, F) normalised.
        truth: (B, T, F) normalised.

    Returns:
        Two tensors of shape (B,), float64.
    """
    finite = filled.isfinite().all(dim=-1).all(dim=-1)
    return (
        psnr(filled, truth).clamp(max=HIGHEST_PSNR).where(finite, -math.inf),
        nrmse(filled, truth).where(finite, math.inf),
    )


def find_changed(damaged: Tensor, target: Tensor) -> Tensor:
    """Mark the patches of (B, 1, T, F) that count, those that lost more than silence: (B,) bool."""
    return (damaged != target).flatten(1).any(dim=1)


def _rescale(normalised: Tensor, ratio: float) -> Tensor:
    """Normalise magnitudes by a scale that is smaller by the ratio."""
    return (normalised - NORMALISATION_FLOOR) * ratio + NORMALISATION_FLOOR
