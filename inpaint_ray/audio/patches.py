"""Spectrograms cut into patches of 128 frames x 128 bins, and joined again.

Shapes: T = frames, F = bins, P = patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PATCH_FRAMES = 128
PATCH_BINS = 128


def to_patches(magnitudes: Tensor) -> Tensor:
    """Cut (T, F) into whole patches, (P, 128, F), P = floor(T / 128).

    The frames after the last whole patch are left out. For a clip of 30 s that is 58 patches, as in the reference:
    frames 7,424 to 7,499 are dropped.
    """
    num_patches = magnitudes.shape[0] // PATCH_FRAMES
    return magnitudes[: num_patches * PATCH_FRAMES].reshape(num_patches, PATCH_FRAMES, magnitudes.shape[1])


def from_patches(patches: Tensor) -> Tensor:
    """Join (P, 128, F) patches in order to (P * 128, F)."""
    return patches.reshape(-1, patches.shape[-1])
