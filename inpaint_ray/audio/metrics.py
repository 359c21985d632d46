"""Scores of restored magnitudes and waveforms, as the reference defines them.

Shapes: (B, T, F) magnitudes, one score per patch, (B,).
"""

import torch
from torch import Tensor

NORMALISATION_FLOOR = 0.001  # added by the reference after dividing by the largest magnitude of the training set


def normalise(magnitudes: Tensor, scale: float) -> Tensor:
    """Bring magnitudes to the reference's scale, magnitude / scale + 0.001, in which PSNR and NRMSE are taken."""
    return magnitudes / scale + NORMALISATION_FLOOR


def denormalise(normalised: Tensor, scale: float) -> Tensor:
    """Invert `normalise`, clipped at zero."""
    return ((normalised - NORMALISATION_FLOOR) * scale).clamp(min=0)


def mse(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error per patch, (B, T, F) -> (B,), in float64."""
    return (predicted.double() - target.double()).square().mean(dim=(-2, -1))


def psnr(predicted: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio per patch in dB with data range 1, (B, T, F) -> (B,); infinite for a perfect patch."""
    return -10 * torch.log10(mse(predicted, target))


def nrmse(predicted: Tensor, target: Tensor) -> Tensor:
    """Root of the summed squared error over the Euclidean norm of the target, per patch, (B, T, F) -> (B,)."""
    error = (predicted.double() - target.double()).square().sum(dim=(-2, -1)).sqrt()
    return error / target.double().square().sum(dim=(-2, -1)).sqrt()


def snr(restored: Tensor, clean: Tensor) -> float:
    """Signal-to-noise ratio in dB of all samples given: 10 log10(sum clean^2 / sum (clean - restored)^2).

    Infinite when nothing differs; minus infinity for a silent clean signal that was not restored exactly.
    """
    power = clean.double().square().sum()
    noise = (clean.double() - restored.double()).square().sum()
    return float("inf") if noise == 0 else float(10 * torch.log10(power / noise))


def log_spectral_distance(restored: Tensor, clean: Tensor, *, range_db: float = 60.0) -> float:
    """Distance of two magnitude spectrograms in dB (Gray and Markel, 1976): RMS over bins, then the mean over frames.

    Args:
        restored: (T, F) linear magnitudes.
        clean: (T, F) linear magnitudes, not all zero.
        range_db: both are floored this far below the largest clean magnitude, so that inaudible bins do not decide.
    """
    floor = clean.max() * 10 ** (-range_db / 20)
    ratio_db = 20 * torch.log10(restored.clamp(min=floor) / clean.clamp(min=floor))
    return float(ratio_db.square().mean(dim=-1).sqrt().mean())


def spectral_convergence(restored: Tensor, clean: Tensor) -> float:
    """Norm of the difference of two magnitude spectrograms, (T, F), over the norm of the clean one (Sturmel, 2011)."""
    return float((restored.double() - clean.double()).square().sum().sqrt() / clean.double().square().sum().sqrt())


def join_step(restored: Tensor, clean: Tensor, lost: Tensor) -> float:
    """Largest step between neighbouring samples where a gap begins or ends, over the clean signal's largest step.

    Above 1 it is a click that the signal itself never has. 0 where no gap has a neighbour.

    Args:
        restored: (n,).
        clean: (n,), not constant.
        lost: (n,) bool.
    """
    joins = lost[1:] != lost[:-1]
    if not joins.any():
        return 0.0
    return float(restored.diff()[joins].abs().max() / clean.diff().abs().max())
