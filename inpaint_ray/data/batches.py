"""Batches of patches with the damage that was drawn for them.

Shapes: B = patches, T = frames, F = bins.
"""

import itertools
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaint_ray.audio.damage import FRAMES, Damage, draw_lost_frames
from inpaint_ray.audio.metrics import NORMALISATION_FLOOR
from inpaint_ray.data.shards import PatchRows

PATCHES = ("target", "damaged", "lost")  # fields of a batch that go to the device
EVALUATION_SEED = 0  # damage of validation and test patches: the same in every run


@dataclass(frozen=True)
class Batch:
    """Patches on the reference's normalised scale."""

    target: Tensor  # (B, 1, T, F)
    damaged: Tensor  # (B, 1, T, F): the target with the magnitudes of lost frames zero
    lost: Tensor  # (B, T) bool
    track_id: Tensor  # (B,) int64
    patch: Tensor  # (B,) number of the patch in its track
    genre: list[str] = field(default_factory=list)  # B names; empty in training

    def __len__(self) -> int:
        return len(self.lost)

    def to(self, device: torch.device) -> "Batch":
        """Return the batch with its patches on a device."""
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in PATCHES}
        return replace(self, **moved)

    def without_patches(self) -> "Batch":
        """Return the batch without its tensors of patches, which hold memory; tracks and numbers stay."""
        nothing = torch.empty(0)
        return replace(self, target=nothing, damaged=nothing, lost=nothing)

    def split(self, parts: int) -> list["Batch"]:
        """Split the batch into parts, or into single patches where it has fewer than parts.

        The sizes of parts differ by one at most, the larger ones first.
        """
        parts = min(parts, len(self))
        edges = [number * (len(self) // parts) + min(number, len(self) % parts) for number in range(parts + 1)]
        return [self._rows(slice(*pair)) for pair in itertools.pairwise(edges)]

    def _rows(self, rows: slice) -> "Batch":
        return Batch(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def damage_rows(
    rows: PatchRows, *, scale: float, seed: int, epoch: int | None = None, damage: tuple[Damage, ...] = FRAMES
) -> Batch:
    """Damage rows: frames to lose are drawn for each patch from (seed, track_id, patch) and the epoch, if given.

    Args:
        rows: P patches.
        scale: the data set's; patches become magnitude / scale + 0.001.
        seed: of the damage.
        epoch: makes the damage new in every epoch; None keeps it the same for ever.
        damage: how frames are lost; of several, each patch draws one.
    """
    lost = draw_lost(
        rows.track_id, rows.patch, seed=seed, epoch=epoch, damage=damage, num_frames=rows.magnitudes.shape[1]
    )
    magnitudes = torch.from_numpy(rows.magnitudes.astype(np.float32))  # a copy: Arrow's memory is read-only
    batch = make_batch(magnitudes, torch.from_numpy(lost), scale, rows.track_id, rows.patch)
    return replace(batch, genre=rows.genre)


def draw_lost(
    track_id: NDArray[np.int64],
    patch: NDArray[np.int16],
    *,
    seed: int,
    epoch: int | None,
    damage: tuple[Damage, ...],
    num_frames: int,
) -> NDArray[np.bool_]:
    """Draw the lost frames of each patch, (P, T)."""
    epochs = () if epoch is None else (epoch,)
    return draw_lost_frames(seed, track_id, patch, *epochs, num_frames=num_frames, damage=damage)


def make_batch(
    magnitudes: Tensor, lost: Tensor, scale: float, track_id: NDArray[np.int64], patch: NDArray[np.int16]
) -> Batch:
    """Make a batch on the device of its magnitudes.

    Args:
        magnitudes: (B, T, F) linear.
        lost: (B, T) bool.
        scale: the data set's.
        track_id: (B,).
        patch: (B,).
    """
    target = magnitudes.to(torch.float32, copy=True).div_(scale).add_(NORMALISATION_FLOOR).unsqueeze(1)  # `normalise`
    return Batch(
        target=target,
        damaged=target.masked_fill(lost[:, None, :, None], NORMALISATION_FLOOR),
        lost=lost,
        track_id=torch.from_numpy(np.array(track_id, dtype=np.int64)),
        patch=torch.from_numpy(np.array(patch, dtype=np.int64)),
    )
