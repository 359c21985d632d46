"""Linear interpolation of lost frames: the baseline that every table carries.

Shapes: T = frames, F = bins.
"""

import torch
from torch import Tensor


def interpolate_frames(magnitudes: Tensor, lost: Tensor) -> Tensor:
    """Replace each lost frame by the line between the nearest known frames, bin by bin.

    Before the first and after the last known frame the nearest one is held; where every frame is lost, zeros.

    Args:
        magnitudes: (..., T, F); what stands in lost frames is not looked at.
        lost: (..., T) bool, True where a frame is missing.

    Returns:
        (..., T, F); known frames are the input's, bit for bit.
    """
    before, after = nearest_known(lost)
    num_frames = lost.shape[-1]
    has_before, has_after = before >= 0, after < num_frames
    before_index = torch.where(has_before, before, after).clamp(0, num_frames - 1)
    after_index = torch.where(has_after, after, before).clamp(0, num_frames - 1)
    time = torch.arange(num_frames, device=lost.device)
    span = (after_index - before_index).clamp(min=1)
    weight = ((time - before_index).to(magnitudes.dtype) / span).clamp(0, 1).unsqueeze(-1)
    left = _take_frames(magnitudes, before_index)
    right = _take_frames(magnitudes, after_index)
    filled = left + weight * (right - left)
    filled = torch.where((has_before | has_after).unsqueeze(-1), filled, torch.zeros_like(filled))
    return torch.where(lost.unsqueeze(-1), filled, magnitudes)


def nearest_known(lost: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the nearest known frame at or before, and at or after, each frame: (..., T) int64 each.

    Where there is none, -1 before and T after.
    """
    num_frames = lost.shape[-1]
    time = torch.arange(num_frames, device=lost.device).expand(lost.shape)
    before = torch.where(lost, -1, time).cummax(dim=-1).values
    after = torch.where(lost, num_frames, time).flip(-1).cummin(dim=-1).values.flip(-1)
    return before, after


def _take_frames(magnitudes: Tensor, index: Tensor) -> Tensor:
    return magnitudes.gather(-2, index.unsqueeze(-1).expand(magnitudes.shape))
