"""Overlapping, cross-faded tiles: spectrograms of any size for networks that take patches of one size only.

Shapes: (B, 1, T, F); tiles of t x f.
"""

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

from inpaint_ray.models.output import restored_of

CPU_PATCHES, GPU_PATCHES = 16, 256  # at a time: what the network holds does not grow with the spectrogram


def predict(model: nn.Module, magnitudes: Tensor) -> Tensor:
    """Predict by any network in evaluation mode: (B, 1, T, F) normalised magnitudes to the same shape.

    A network that fits one size only says so by its `patch_shape`.
    """
    patch_shape = getattr(model, "patch_shape", None)
    if patch_shape is None or magnitudes.shape[-2:] == patch_shape:
        return torch.cat([restored_of(model(part)) for part in magnitudes.split(_at_once(magnitudes))])
    return _predict_tiles(model, magnitudes, patch_shape)


def _predict_tiles(model: nn.Module, magnitudes: Tensor, tile_shape: tuple[int, int]) -> Tensor:
    """Predict by half-overlapping tiles, weighted by the distance from their edges; a smaller input is padded."""
    (num_frames, num_bins), (frames, bins) = magnitudes.shape[-2:], tile_shape
    missing = (0, max(0, bins - num_bins), 0, max(0, frames - num_frames))
    padded = functional.pad(magnitudes, missing, mode="replicate")
    window = (_fade(frames)[:, None] * _fade(bins)).to(padded)
    total = torch.zeros_like(padded)
    weight = torch.zeros_like(padded[0, 0])
    starts = list(product(_starts(padded.shape[-2], frames), _starts(padded.shape[-1], bins)))
    for frame, bin_ in starts:
        weight[frame : frame + frames, bin_ : bin_ + bins] += window
    places = [(patch, *start) for patch in range(len(padded)) for start in starts]
    at_once = _at_once(magnitudes)
    for first in range(0, len(places), at_once):
        part = [
            (patch, 0, slice(frame, frame + frames), slice(bin_, bin_ + bins))
            for patch, frame, bin_ in places[first : first + at_once]
        ]
        tiles = torch.stack([padded[place] for place in part]).unsqueeze(1)
        for place, tile in zip(part, restored_of(model(tiles)).squeeze(1), strict=True):
            total[place] += window * tile
    return (total / weight)[..., :num_frames, :num_bins]


def _at_once(magnitudes: Tensor) -> int:
    return CPU_PATCHES if magnitudes.device.type == "cpu" else GPU_PATCHES


def _starts(length: int, tile: int) -> list[int]:
    return [*range(0, length - tile, tile // 2), length - tile]


def _fade(size: int) -> Tensor:
    """Return a Hann window without its zeros: (size,)."""
    return torch.hann_window(size + 2, periodic=False)[1:-1]
