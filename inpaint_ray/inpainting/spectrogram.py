"""Lost frames of a spectrogram filled by a network or by interpolation; known frames stay as they are.

Shapes: B = spectrograms or patches, T = frames, F = bins.
"""

import torch
from torch import Tensor, nn

from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.audio.metrics import NORMALISATION_FLOOR, denormalise, normalise, nrmse, psnr
from inpaint_ray.inpainting.tiles import predict

SCORES = ("damaged_psnr", "interpolation_psnr", "psnr", "network_psnr", "damaged_nrmse", "interpolation_nrmse", "nrmse")


def restore_magnitudes(magnitudes: Tensor, lost: Tensor, *, model: nn.Module | None, scale: float = 1.0) -> Tensor:
    """Fill lost frames of linear magnitudes.

    Args:
        magnitudes: (B, T, F) linear, >= 0; what stands in lost frames is not looked at.
        lost: (B, T) bool, True where a frame is missing.
        model: a network on normalised magnitudes, in evaluation mode; None interpolates.
        scale: the largest training magnitude of the model.

    Returns:
        (B, T, F); known frames are the input's, bit for bit, and filled ones are finite and >= 0.
    """
    if model is None:
        return interpolate_frames(magnitudes, lost)
    silenced = magnitudes.masked_fill(lost.unsqueeze(-1), 0.0)
    with torch.inference_mode():
        restored = denormalise(predict(model, normalise(silenced, scale).unsqueeze(1)).squeeze(1), scale)
    return torch.where(lost.unsqueeze(-1), restored.to(magnitudes.dtype), magnitudes)


def score_patches(
    model: nn.Module, damaged: Tensor, target: Tensor, lost: Tensor, *, scale_ratio: float = 1.0
) -> dict[str, Tensor]:
    """Scores of a batch by patch, for the damaged input, for interpolation and for a network.

    Args:
        model: the network, in evaluation mode.
        damaged: (B, 1, T, F) normalised.
        target: (B, 1, T, F) normalised.
        lost: (B, T) bool.
        scale_ratio: the data's scale over the model's, where it was trained on other data.

    Returns:
        The names of SCORES, each (B,) float64. `psnr` and `nrmse` are of what users get: the network's frames where
        frames are lost, the input's elsewhere. `network_psnr` is of the network's bare output, which is what the
        reference publishes.
    """
    with torch.inference_mode():
        if scale_ratio == 1:
            output = predict(model, damaged)
        else:
            output = _rescale(predict(model, _rescale(damaged, scale_ratio)), 1 / scale_ratio)
    truth, given, bare = (tensor.squeeze(1).float() for tensor in (target, damaged, output))
    restored = torch.where(lost.unsqueeze(-1), bare, truth)
    interpolated = interpolate_frames(given, lost)
    return {
        "damaged_psnr": psnr(given, truth),
        "interpolation_psnr": psnr(interpolated, truth),
        "psnr": psnr(restored, truth),
        "network_psnr": psnr(bare, truth),
        "damaged_nrmse": nrmse(given, truth),
        "interpolation_nrmse": nrmse(interpolated, truth),
        "nrmse": nrmse(restored, truth),
    }


def finite_patches(scores: dict[str, Tensor]) -> Tensor:
    """(B,) bool: patches that count. Where a PSNR is infinite (nothing was lost: silence) it is left out of all."""
    return torch.stack([score for name, score in scores.items() if name.endswith("psnr")]).isfinite().all(dim=0)


def _rescale(normalised: Tensor, ratio: float) -> Tensor:
    """The same magnitudes, normalised by a scale that is smaller by the ratio."""
    return (normalised - NORMALISATION_FLOOR) * ratio + NORMALISATION_FLOOR
