"""An evaluation on shards: Ray Data with a pool of actors that hold the models, then tables and a page."""

from itertools import count

import ray
import ray.data

from inpaint_ray.audio.damage import Damage, parse_damage
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.data.schema import Dataset, read_dataset
from inpaint_ray.data.shards import shard_uris
from inpaint_ray.errors import DatasetError, UsageError
from inpaint_ray.evaluate.config import MEMORY_GIB, SHARD_DAMAGE, EvaluateConfig
from inpaint_ray.evaluate.shards.report import gather, write_report
from inpaint_ray.evaluate.shards.score import BASELINES, ShardScorer, TrackScores
from inpaint_ray.evaluate.shards.table import TableRow
from inpaint_ray.ledger.placement import place
from inpaint_ray.progress import Progress


def evaluate_shards(config: EvaluateConfig) -> list[TableRow]:
    """Score checkpoints on the patches of a split.

    Raises:
        UsageError: no checkpoint is given, or a damage that patches cannot suffer.
        DatasetError: the data are not prepared, or have no such split.
        CheckpointError: a checkpoint cannot be read.
    """
    dataset = read_dataset(config.data)
    if not config.checkpoint:
        raise UsageError("--checkpoint needs at least one checkpoint folder to score on shards")
    split = _split(config, dataset)
    damage = config.damage or SHARD_DAMAGE
    damages = parse_damage(damage)
    checkpoints = {name: uri for name, uri in zip(name_checkpoints(config.checkpoint), config.checkpoint, strict=True)}
    architectures = {name: open_checkpoint(uri).architecture for name, uri in checkpoints.items()}
    num_patches = dataset.num_patches(split)
    print(f"evaluate  {num_patches} {split} patches of {dataset.num_tracks(split)} tracks: {', '.join(checkpoints)}")
    tracks = _score(config, dataset, split, checkpoints, damages)
    results = gather(
        tracks,
        dataset=dataset,
        split=split,
        damage=damage,
        checkpoints=checkpoints,
        architectures=architectures,
    )
    write_report(config.output, results)
    return results.genres


def _score(
    config: EvaluateConfig, dataset: Dataset, split: str, checkpoints: dict[str, str], damages: tuple[Damage, ...]
) -> list[TrackScores]:
    uris = shard_uris(dataset, split)
    scored = ray.data.from_items([{"uri": uri} for uri in uris], override_num_blocks=len(uris)).flat_map(
        ShardScorer,
        fn_constructor_kwargs={
            "checkpoints": checkpoints,
            "scale": dataset.scale,
            "damage": damages,
            "use_gpu": config.actors.use_gpu,
        },
        **config.actors.pool(len(uris), memory_gib=MEMORY_GIB),
    )
    progress = Progress("evaluate", dataset.num_patches(split), "patches")
    tracks = []
    for row in place(scored, use_gpu=config.actors.use_gpu).iter_rows():
        track = TrackScores.from_row(row)
        tracks.append(track)
        progress.add(track.num_patches + track.num_silent)
    return tracks


def _split(config: EvaluateConfig, dataset: Dataset) -> str:
    """The split to score: the one that is asked for, else test, else validation."""
    splits = ("test", "validation") if config.split == "auto" else (config.split,)
    for split in splits:
        if dataset.num_patches(split):
            return split
    raise DatasetError(f"{dataset.uri}: no patches in split {' or '.join(splits)}; give another --split")


def name_checkpoints(uris: tuple[str, ...]) -> list[str]:
    """Name the columns of checkpoints, each differently, and none as a baseline or the damaged input.

    A checkpoint is called as its folder, or as its run where it is a run's best or last.
    """
    names: list[str] = []
    for uri in uris:
        parts = [part for part in uri.split("/") if part]
        name = parts[-2] if parts[-1] in ("best", "last") and len(parts) > 1 else parts[-1]
        if name in BASELINES:
            name = f"checkpoint {name}"
        numbered = (name if number == 1 else f"{name} {number}" for number in count(1))
        names.append(next(free for free in numbered if free not in names))
    return names
