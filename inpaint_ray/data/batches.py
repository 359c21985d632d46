"""Batches of patches with the damage that was drawn for them.

Shapes: B = patches, T = frames, F = bins.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from inpaint_ray.audio.damage import FRAMES, Damage, draw_lost_frames
from inpaint_ray.audio.metrics import normalise
from inpaint_ray.data.shards import PatchRows

EVALUATION_SEED = 0  # damage of validation and test patches: the same in every run


@dataclass(frozen=True)
class Batch:
    """Patches on the reference's normalised scale."""

    target: Tensor  # (B, 1, T, F)
    damaged: Tensor  # (B, 1, T, F): the target with the magnitudes of lost frames zero
    lost: Tensor  # (B, T) bool
    genre: list[str]  # B names
    track_id: Tensor  # (B,) int64

    def to(self, device: torch.device) -> "Batch":
        """The batch with its patches on a device."""
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in ("target", "damaged", "lost")}
        return replace(self, **moved)


def damage_rows(
    rows: PatchRows, *, scale: float, seed: int, epoch: int | None = None, damage: tuple[Damage, ...] = FRAMES
) -> Batch:
    """The rows with damage, drawn for each patch from (seed, track_id, patch) and the epoch if given.

    Args:
        rows: P patches.
        scale: the data set's; patches become magnitude / scale + 0.001.
        seed: of the damage.
        epoch: makes the damage new in every epoch; None keeps it the same for ever.
        damage: how frames are lost; of several, each patch draws one.
    """
    epochs = () if epoch is None else (epoch,)
    num_frames = rows.magnitudes.shape[1]
    lost = torch.from_numpy(
        np.stack(
            [
                draw_lost_frames(seed, int(track_id), int(patch), *epochs, num_frames=num_frames, damage=damage)
                for track_id, patch in zip(rows.track_id, rows.patch, strict=True)
            ]
        )
    )
    magnitudes = torch.from_numpy(rows.magnitudes.astype(np.float32))  # a copy: Arrow's memory is read-only
    known = (~lost).unsqueeze(-1)
    return Batch(
        target=normalise(magnitudes, scale).unsqueeze(1),
        damaged=normalise(magnitudes * known, scale).unsqueeze(1),
        lost=lost,
        genre=rows.genre,
        track_id=torch.from_numpy(rows.track_id.copy()),
    )
