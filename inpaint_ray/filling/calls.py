"""The Python calls that fill known gaps: arrays in, the same kind of arrays out; neither Ray nor storage."""

from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaint_ray.audio.wiener import wiener_frames
from inpaint_ray.filling.spectrogram import restore_magnitudes
from inpaint_ray.filling.waveform import Effort, Method, RestoreMagnitudes, fill
from inpaint_ray.models.checkpoint import Checkpoint, load_checkpoint

Magnitudes = TypeVar("Magnitudes", NDArray, Tensor)


def inpaint(
    samples: NDArray,
    sample_rate: int,
    lost: NDArray[np.bool_],
    method: Method = "auto",
    checkpoint: str | Path | None = None,
    effort: Effort = "normal",
) -> NDArray:
    """Fill the gaps of a waveform; only lost samples differ.

    Args:
        samples: (channels, n) or (n,) float32 or float64; what stands in lost samples is not looked at.
        sample_rate: Hz.
        lost: (n,) for all channels, or (channels, n); bool, True where a sample is missing.
        method: `auto`, `autoregressive`, `model`, `griffin_lim`, `linear` or `silence` (see `fill_with_notes`).
        checkpoint: a checkpoint's folder, or `pretrained`; None fills without a network.
        effort: `best` weighs several autoregressive fills of each gap up to 0.1 s, at about twenty times the cost.

    Returns:
        The shape and dtype of samples.

    Raises:
        ValueError: an argument of the wrong shape, dtype or value.
        CheckpointError: the checkpoint cannot be read.
    """
    model = None if checkpoint is None else restorer_of(load_checkpoint(checkpoint))
    return fill(samples, sample_rate, lost, method=method, effort=effort, restore_magnitudes=model)


def inpaint_magnitudes(magnitudes: Magnitudes, lost: Magnitudes, checkpoint: str | Path | None = None) -> Magnitudes:
    """Fill the lost frames of magnitude spectrograms; known frames come back unchanged.

    Args:
        magnitudes: (B, T, F) linear, >= 0, on the spectrogram grid; any T and F, as numpy array or tensor.
        lost: (B, T) bool, True where a frame is missing; numpy array or tensor.
        checkpoint: a checkpoint's folder, or `pretrained`; None is Wiener interpolation.

    Returns:
        (B, T, F), of the kind and dtype of magnitudes.

    Raises:
        ValueError: the shapes do not fit, or lost is not bool.
        CheckpointError: the checkpoint cannot be read.
    """
    given, missing = torch.as_tensor(magnitudes), torch.as_tensor(lost)
    if given.ndim != 3 or missing.shape != given.shape[:2]:
        raise ValueError(
            f"magnitudes must be (B, T, F) and lost (B, T), got {tuple(given.shape)} and {tuple(missing.shape)}"
        )
    if missing.dtype != torch.bool:
        raise ValueError(f"lost must be bool, True where a frame is missing, got {missing.dtype}")
    if not given.is_floating_point():
        raise ValueError(f"magnitudes must be floating point, got {given.dtype}")
    fill_frames = wiener_frames if checkpoint is None else restorer_of(load_checkpoint(checkpoint))
    filled = torch.where(missing.unsqueeze(-1), fill_frames(given.float(), missing).to(given.dtype), given)
    return filled.numpy() if isinstance(magnitudes, np.ndarray) else filled


def restorer_of(checkpoint: Checkpoint) -> RestoreMagnitudes:
    """Return the function (magnitudes (B, T, F), lost (B, T)) -> filled magnitudes of a checkpoint's model."""
    return partial(restore_magnitudes, model=checkpoint.model, scale=checkpoint.scale)
