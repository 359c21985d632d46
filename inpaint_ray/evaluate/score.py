"""Scores of one shard's patches, summed by track: sums of tracks add up to any table, on any number of workers."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inpaint_ray.audio.damage import FRAMES, Damage
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.data.batches import EVALUATION_SEED, damage_rows
from inpaint_ray.data.shards import read_rows
from inpaint_ray.inpainting.spectrogram import finite_patches, score_patches
from inpaint_ray.models.checkpoint import Checkpoint

BASELINES = ("damaged", "interpolation")


@dataclass(frozen=True)
class TrackScores:
    """What became of the patches of one track in one shard."""

    track_id: int
    genre: str
    num_patches: int  # that count
    num_infinite: int  # left out: nothing was lost in them, or a method was perfect
    sums: dict[str, float]  # "METHOD psnr", "METHOD nrmse" -> sum over the patches that count

    def to_row(self) -> dict[str, Any]:
        return {**self.__dict__, "sums": list(self.sums.values()), "names": list(self.sums)}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "TrackScores":
        sums = {str(name): float(value) for name, value in zip(row["names"], row["sums"], strict=True)}
        return cls(row["track_id"], row["genre"], row["num_patches"], row["num_infinite"], sums)


def score_shard(
    uri: str,
    checkpoints: dict[str, Checkpoint],
    *,
    scale: float,
    device: torch.device,
    damage: tuple[Damage, ...] = FRAMES,
) -> list[TrackScores]:
    """Scores of every patch of a shard, by track; the damage is the same in every evaluation.

    Args:
        uri: of the shard.
        checkpoints: name -> checkpoint, its model on the device.
        scale: the data set's.
        device: where the models are.
        damage: how frames are lost.
    """
    tracks: dict[tuple[int, str], list[NDArray[np.float64]]] = defaultdict(list)
    names: list[str] = []
    for rows in read_rows([uri]):
        batch = damage_rows(rows, scale=scale, seed=EVALUATION_SEED, damage=damage).to(device)
        scores: dict[str, torch.Tensor] = {}
        for name, checkpoint in checkpoints.items():
            given = score_patches(
                checkpoint.model, batch.damaged, batch.target, batch.lost, scale_ratio=scale / checkpoint.scale
            )
            scores |= {_column(name, score): values for score, values in given.items()}
        names = list(scores)
        counted = finite_patches(scores)
        table = torch.stack([counted, *(torch.where(counted, values, 0.0) for values in scores.values())], dim=1)
        for track_id, genre, row in zip(batch.track_id.tolist(), batch.genre, table.cpu().numpy(), strict=True):
            tracks[track_id, genre].append(row)
    result = []
    for (track_id, genre), patches in tracks.items():
        total = np.sum(patches, axis=0)
        sums = dict(zip(names, total[1:].tolist(), strict=True))
        result.append(TrackScores(track_id, genre, int(total[0]), len(patches) - int(total[0]), sums))
    return result


class ShardScorer:
    """Holds the models; the state of a Ray Data actor."""

    def __init__(self, checkpoints: dict[str, str], scale: float, damage: tuple[Damage, ...]) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.checkpoints = {name: open_checkpoint(uri) for name, uri in checkpoints.items()}
        for checkpoint in self.checkpoints.values():
            checkpoint.model.to(self.device)
        self.scale, self.damage = scale, damage

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        scores = score_shard(row["uri"], self.checkpoints, scale=self.scale, device=self.device, damage=self.damage)
        return [track.to_row() for track in scores]


def _column(name: str, score: str) -> str:
    """Of a score of `score_patches`: "damaged psnr", "NAME psnr", "NAME network_psnr", ..."""
    for baseline in BASELINES:
        if score.startswith(baseline):
            return f"{baseline} {score.removeprefix(baseline + '_')}"
    return f"{name} {score}"
