"""Wiener interpolation of lost frames: each bin is predicted from its own known frames, by how it has varied so far.

Where two partials fall into one bin, its magnitude beats, and a line between the nearest known frames misses that. The
covariance of a bin over time knows it (Wiener, 1949; in the statistics of space: kriging). It is estimated from the
known frames, and then again from all frames with the lost ones filled.

Shapes: T = frames, F = bins; inside, (..., F, T), time last.
"""

import torch
from torch import Tensor
from torch.nn import functional

NOISE = 0.1  # share of a bin's variance that no other frame tells
REACH = 10.0  # frames; the covariance is weighted with a Gaussian of this width, for music does not stand still
SHARED = 0.3  # weight of the covariance of all bins together in that of each
LONGEST = 256  # frames that share a covariance; longer spectrograms are cut into such windows, half overlapping
NUM_ESTIMATES = 3  # of the covariance
NUM_STEPS = 6  # of conjugate gradients, for each estimate; more change less than 0.02 dB


def wiener_frames(magnitudes: Tensor, lost: Tensor) -> Tensor:
    """Replace each lost frame by the linear estimate of least error from the known ones, bin by bin.

    The sum over all known frames is solved for by conjugate gradients: the covariance depends on the distance of two
    frames alone, so a step costs two Fourier transforms.

    Args:
        magnitudes: (..., T, F); what stands in lost frames is not looked at.
        lost: (..., T) bool, True where a frame is missing.

    Returns:
        (..., T, F), not negative; known frames are the input's, bit for bit. Where every frame is lost, zeros; where
        a bin does not vary, its mean.
    """
    num_frames = lost.shape[-1]
    if num_frames <= LONGEST:
        return _fill(magnitudes, lost)
    step, margin = LONGEST // 2, LONGEST // 4
    after = -num_frames % step + margin
    windows = functional.pad(magnitudes, (0, 0, margin, after)).unfold(-2, LONGEST, step).transpose(-1, -2)
    filled = _fill(windows, functional.pad(lost, (margin, after), value=True).unfold(-1, LONGEST, step))
    middles = filled[..., margin : margin + step, :].flatten(-3, -2)[..., :num_frames, :]
    return torch.where(lost.unsqueeze(-1), middles, magnitudes)


def _fill(magnitudes: Tensor, lost: Tensor) -> Tensor:
    """Fill lost frames of a stretch with one covariance: (..., T, F) and (..., T) to (..., T, F)."""
    known = (~lost).unsqueeze(-2).to(magnitudes.dtype)  # (..., 1, T)
    values = magnitudes.masked_fill(lost.unsqueeze(-1), 0.0).transpose(-1, -2)  # (..., F, T)
    mean = values.sum(dim=-1, keepdim=True) / known.sum(dim=-1, keepdim=True).clamp(min=1)
    deviation = (values - mean) * known
    pairs = _correlate(known).clamp(min=0.5)
    filled, weights = deviation, torch.zeros_like(deviation)
    for _ in range(NUM_ESTIMATES):
        spectrum = _spectrum(_correlate(filled) / pairs)
        weights = _solve(spectrum, known, deviation, weights)
        filled = torch.where(known > 0, deviation, _apply(spectrum, weights))
        pairs = torch.arange(known.shape[-1], 0, -1, dtype=known.dtype, device=known.device)
    estimate = (filled + mean).clamp(min=0).transpose(-1, -2)
    return torch.where(lost.unsqueeze(-1), estimate, magnitudes)


def _correlate(values: Tensor) -> Tensor:
    """Sum the products of frames at each distance, (..., T)."""
    num_frames = values.shape[-1]
    spectrum = torch.fft.rfft(values, 2 * num_frames)
    return torch.fft.irfft(spectrum.abs().square(), 2 * num_frames)[..., :num_frames]


def _spectrum(covariance: Tensor) -> Tensor:
    """Compute eigenvalues of the circulant covariance of 2 T frames, mean 1, none negative: (..., F, T + 1)."""
    variance = covariance[..., :1]
    shared = covariance.sum(dim=-2, keepdim=True) / variance.sum(dim=-2, keepdim=True).clamp(min=1e-20)
    num_frames = covariance.shape[-1]
    distance = torch.arange(num_frames, dtype=covariance.dtype, device=covariance.device)
    correlation = (1 - SHARED) * covariance / variance.clamp(min=1e-20) + SHARED * shared
    correlation = correlation * torch.exp(-0.5 * (distance / REACH) ** 2)
    ring = torch.cat([correlation, torch.zeros_like(variance), correlation[..., 1:].flip(-1)], dim=-1)
    spectrum = torch.fft.rfft(ring).real.clamp(min=0)
    mean = (2 * spectrum.sum(dim=-1, keepdim=True) - spectrum[..., :1] - spectrum[..., -1:]) / (2 * num_frames)
    return spectrum / mean.clamp(min=1e-20)


def _apply(spectrum: Tensor, weights: Tensor) -> Tensor:
    """Multiply the covariance matrix of frames with weights of frames: (..., F, T)."""
    num_frames = weights.shape[-1]
    return torch.fft.irfft(torch.fft.rfft(weights, 2 * num_frames) * spectrum, 2 * num_frames)[..., :num_frames]


def _solve(spectrum: Tensor, known: Tensor, deviation: Tensor, start: Tensor) -> Tensor:
    """Solve for the weights of known frames: (covariance + noise) weights = deviations: (..., F, T)."""
    weights = start
    residual = deviation - known * _apply(spectrum, weights) - NOISE * weights
    direction, power = residual, residual.square().sum(dim=-1, keepdim=True)
    for _ in range(NUM_STEPS):
        image = known * _apply(spectrum, direction) + NOISE * direction
        step = power / (direction * image).sum(dim=-1, keepdim=True).clamp(min=1e-20)
        weights, residual = weights + step * direction, residual - step * image
        before, power = power, residual.square().sum(dim=-1, keepdim=True)
        direction = residual + power / before.clamp(min=1e-20) * direction
    return weights
