"""Scores of one shard's patches, summed by track and damage: they add up to any table, on any number of workers."""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from inpaint_ray.audio.damage import FRAMES, Damage
from inpaint_ray.audio.runs import find_runs
from inpaint_ray.audio.wiener import wiener_frames
from inpaint_ray.checkpoints import choose_device, open_checkpoint
from inpaint_ray.data.batches import EVALUATION_SEED, Batch, damage_rows
from inpaint_ray.data.shards import join_rows, read_rows
from inpaint_ray.filling.spectrogram import find_changed, score_magnitudes, score_patches
from inpaint_ray.ledger.items import Item
from inpaint_ray.ledger.records import Entry, RecordWriter
from inpaint_ray.metrics import count
from inpaint_ray.models.checkpoint import Checkpoint

BASELINES = ("damaged", "interpolation", "wiener")  # for a network to beat
RUN_EDGES = (1, 4, 8, 16, 32, 64)  # frames: where each class of the longest run of lost frames begins
GPU_PATCHES = 1024  # scored at once on a GPU
SHARE_STEPS = 10  # classes of the share of lost frames, of 10 % each


@dataclass(frozen=True)
class TrackScores:
    """Sums of the scores of patches of one track in one shard that were damaged alike."""

    track_id: int
    genre: str
    num_patches: int  # scored
    num_silent: int  # left out: nothing but silence was lost in them
    sums: dict[str, float]  # "METHOD psnr", "METHOD nrmse" -> sum over the patches that count; "METHOD failed" -> those
    # of them for which its output is not finite
    share: int = 0  # of lost frames, in whole tenths: 1 is 10 to below 20 %
    run: int = 0  # the longest run of lost frames: the largest of RUN_EDGES that is not above it

    def to_row(self) -> dict[str, Any]:
        return {**self.__dict__, "sums": list(self.sums.values()), "names": list(self.sums)}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "TrackScores":
        sums = dict(zip(row["names"], row["sums"], strict=True))
        kept = ("track_id", "genre", "num_patches", "num_silent", "share", "run")
        return cls(**{name: row[name] for name in kept}, sums=sums)


SCHEMA = pa.schema(
    {
        "name": pa.string(),  # of the shard
        "track_id": pa.int64(),
        "genre": pa.string(),
        "num_patches": pa.int64(),
        "num_silent": pa.int64(),
        "share": pa.int64(),
        "run": pa.int64(),
        "names": pa.list_(pa.string()),
        "sums": pa.list_(pa.float64()),
    }
)


def score_shard(
    uri: str,
    checkpoints: dict[str, Checkpoint],
    *,
    scale: float,
    device: torch.device,
    damage: tuple[Damage, ...] = FRAMES,
) -> list[TrackScores]:
    """Score every patch of a shard, by track; the damage is the same in every evaluation.

    Args:
        uri: of the shard.
        checkpoints: name -> checkpoint, its model on the device.
        scale: the data set's.
        device: where the models are.
        damage: how frames are lost.
    """
    tracks: dict[tuple[int, str, int, int], list[NDArray[np.float64]]] = defaultdict(list)
    names: list[str] = []
    for rows in join_rows(read_rows([uri]), GPU_PATCHES if device.type == "cuda" else 1):
        batch = damage_rows(rows, scale=scale, seed=EVALUATION_SEED, damage=damage).to(device)
        scores: dict[str, torch.Tensor] = {}
        for name, checkpoint in checkpoints.items():
            given = score_patches(
                checkpoint.model, batch.damaged, batch.target, batch.lost, scale_ratio=scale / checkpoint.scale
            )
            scores |= {_column(name, score): values for score, values in given.items()}
        scores |= _score_wiener(batch)
        scores |= {
            f"{name.removesuffix(' psnr')} failed": (values == -math.inf).double()
            for name, values in scores.items()
            if name.endswith(" psnr")
        }
        names = list(scores)
        counted = find_changed(batch.damaged, batch.target)
        table = torch.stack([counted, *(torch.where(counted, values, 0.0) for values in scores.values())], dim=1)
        classes = (classify(lost) for lost in batch.lost.cpu().numpy())
        patches = zip(batch.track_id.tolist(), batch.genre, classes, table.cpu().numpy(), strict=True)
        for track_id, genre, (share, run), row in patches:
            tracks[track_id, genre, share, run].append(row)
    return [_add_up(*identity, names=names, patches=patches) for identity, patches in tracks.items()]


def _score_wiener(batch: Batch) -> dict[str, torch.Tensor]:
    filled = wiener_frames(batch.damaged.squeeze(1), batch.lost)
    psnr, nrmse = score_magnitudes(filled, batch.target.squeeze(1))
    return {"wiener psnr": psnr, "wiener nrmse": nrmse}


def classify(lost: NDArray[np.bool_]) -> tuple[int, int]:
    """Classify a patch's damage, (T,) bool: `share` and `run` of `TrackScores`."""
    starts, stops = find_runs(lost)
    longest = int((stops - starts).max(initial=0))
    share = SHARE_STEPS * int(lost.sum()) // len(lost)
    return share, max((edge for edge in RUN_EDGES if edge <= longest), default=0)


def _add_up(
    track_id: int, genre: str, share: int, run: int, *, names: list[str], patches: list[NDArray[np.float64]]
) -> TrackScores:
    total = np.sum(patches, axis=0)
    counted = int(total[0])
    sums = dict(zip(names, total[1:].tolist(), strict=True))
    return TrackScores(track_id, genre, counted, len(patches) - counted, sums, share, run)


class ShardScorer:
    """Scores shards; the work of an evaluation on them."""

    item: ClassVar[type[Item]] = Item
    schema: ClassVar[pa.Schema] = SCHEMA

    def __init__(
        self,
        checkpoints: dict[str, str],
        scale: float,
        damage: tuple[Damage, ...],
        *,
        tta: bool = False,
        use_gpu: bool = False,
    ) -> None:
        self.device = choose_device(use_gpu=use_gpu)
        self.checkpoints = {name: open_checkpoint(uri, tta=tta) for name, uri in checkpoints.items()}
        for checkpoint in self.checkpoints.values():
            checkpoint.model.to(self.device)
        self.scale, self.damage = scale, damage

    def __call__(self, shard: Item, earlier: Entry | None, record: RecordWriter) -> Entry:
        """Score a shard; the record's rows are `TrackScores`."""
        scores = score_shard(shard.uri, self.checkpoints, scale=self.scale, device=self.device, damage=self.damage)
        for track in scores:
            record.add({"name": shard.name} | track.to_row())
        count("evaluate", patches=sum(track.num_patches + track.num_silent for track in scores))
        return shard.entry()


def _column(name: str, score: str) -> str:
    """Return the column of a score of `score_patches`: "damaged psnr", "NAME psnr", "NAME network_psnr", ..."""
    for baseline in BASELINES:
        if score.startswith(baseline):
            return f"{baseline} {score.removeprefix(baseline + '_')}"
    return f"{name} {score}"
