"""A whole evaluation: Ray Data over shards with a pool of actors that hold the models, then tables and a page."""

import time
from dataclasses import replace
from typing import Any

import ray
import ray.data

from inpaint_ray import storage
from inpaint_ray.audio.damage import parse_damage
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.data.schema import Dataset, read_dataset
from inpaint_ray.data.shards import shard_uris
from inpaint_ray.errors import DatasetError
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.report import write_report
from inpaint_ray.evaluate.score import ShardScorer, TrackScores
from inpaint_ray.evaluate.table import TableRow, tabulate
from inpaint_ray.progress import Progress, format_duration


def evaluate(config: EvaluateConfig) -> list[TableRow]:
    """Score the checkpoints, write results.json, results.md and results.html, print the table, and give its rows.

    Raises:
        DatasetError: the data are not prepared, or have no such split.
        CheckpointError: a checkpoint cannot be read.
    """
    started = time.monotonic()
    uris = [storage.absolute(uri) for uri in config.checkpoint]
    config = replace(config, data=storage.absolute(config.data), output=storage.absolute(config.output))
    dataset = read_dataset(config.data)
    split = _split(config, dataset)
    checkpoints = {name: uri for name, uri in zip(_names(uris), uris, strict=True)}
    architectures = {name: open_checkpoint(uri).architecture for name, uri in checkpoints.items()}
    num_patches = dataset.num_patches(split)
    print(f"evaluate  {num_patches} {split} patches of {dataset.num_tracks(split)} tracks: {', '.join(checkpoints)}")
    tracks = _score(config, dataset, split, checkpoints)
    rows = tabulate(tracks)
    write_report(
        config.output,
        rows,
        dataset=dataset,
        split=split,
        damage=config.damage,
        checkpoints=checkpoints,
        architectures=architectures,
    )
    print(f"scored on split {split} in {format_duration(time.monotonic() - started)}: {config.output}/results.html")
    return rows


def _score(config: EvaluateConfig, dataset: Dataset, split: str, checkpoints: dict[str, str]) -> list[TrackScores]:
    uris = shard_uris(dataset, split)
    scored = ray.data.from_items([{"uri": uri} for uri in uris], override_num_blocks=len(uris)).flat_map(
        ShardScorer,
        fn_constructor_kwargs={
            "checkpoints": checkpoints,
            "scale": dataset.scale,
            "damage": parse_damage(config.damage),
        },
        num_gpus=1 if config.use_gpu else None,
        compute=ray.data.ActorPoolStrategy(size=_num_actors(config, len(uris))),
    )
    progress = Progress("evaluate", dataset.num_patches(split), "patches")
    tracks = []
    for row in scored.iter_rows():
        track = TrackScores.from_row(row)
        tracks.append(track)
        progress.add(track.num_patches + track.num_infinite)
    return tracks


def _num_actors(config: EvaluateConfig, num_shards: int) -> int:
    resources: dict[str, Any] = ray.cluster_resources()
    share = resources.get("GPU", 0) if config.use_gpu else resources.get("CPU", 1) / 2
    return min(config.num_actors or max(1, int(share)), num_shards)


def _split(config: EvaluateConfig, dataset: Dataset) -> str:
    """The split to score: the one that is asked for, else test, else validation."""
    if config.split != "auto":
        return config.split
    for split in ("test", "validation"):
        if dataset.num_patches(split):
            return split
    raise DatasetError(f"{dataset.uri}: neither a test nor a validation split; give --split train, or prepare again")


def _names(uris: list[str]) -> list[str]:
    """What to call each checkpoint: its run's folder where it is a run's best or last, with a number if taken."""
    names: list[str] = []
    for uri in uris:
        parts = [part for part in uri.rstrip("/").split("/") if part]
        name = parts[-2] if parts[-1] in ("best", "last") and len(parts) > 1 else parts[-1]
        taken = sum(other == name or other.startswith(f"{name} ") for other in names)
        names.append(f"{name} {taken + 1}" if taken else name)
    return names
