"""An evaluation on shards: the ledger's records of their scores, then tables and a page."""

from itertools import count
from typing import Any

from inpaint_ray import storage
from inpaint_ray.audio.damage import parse_damage
from inpaint_ray.checkpoints import identify, open_checkpoint
from inpaint_ray.data.schema import DATASET, Dataset, read_dataset
from inpaint_ray.data.shards import shard_uris
from inpaint_ray.errors import DatasetError, UsageError
from inpaint_ray.evaluate.config import FOLDER, MEMORY_GIB, SHARD_DAMAGE, EvaluateConfig
from inpaint_ray.evaluate.shards.report import gather, write_report
from inpaint_ray.evaluate.shards.score import BASELINES, ShardScorer, TrackScores
from inpaint_ray.evaluate.shards.table import TableRow
from inpaint_ray.ledger.items import Item, fingerprint
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.terminal import say


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
    opened = {name: open_checkpoint(uri, tta=config.tta) for name, uri in checkpoints.items()}
    say(
        f"evaluate  {dataset.num_patches(split)} {split} patches of {dataset.num_tracks(split)} tracks: "
        f"{', '.join(checkpoints)}",
    )
    settings = [dataset.contents, damage, *((name, identify(each)) for name, each in opened.items())]
    ledger = Ledger(config.output, FOLDER)
    ledger.claim("--output", {"data": config.data})
    chosen = ledger.complete(
        _items(dataset, split, settings),
        ShardScorer,
        retry_failed=config.retry_failed,
        verb="evaluate",
        unit="shards",
        actors=config.actors,
        memory_gib=MEMORY_GIB,
        checkpoints=checkpoints,
        scale=dataset.scale,
        damage=damages,
        tta=config.tta,
        use_gpu=config.actors.use_gpu,
    )
    tracks = [TrackScores.from_row(row) for table in ledger.rows(chosen) for row in table.to_pylist()]
    results = gather(
        tracks,
        dataset=dataset,
        split=split,
        damage=damage,
        checkpoints=checkpoints,
        architectures={name: each.architecture for name, each in opened.items()},
    )
    write_report(config.output, results)
    return results.genres


def _items(dataset: Dataset, split: str, settings: list[Any]) -> list[Item]:
    """Return the shards of a split as items; shards prepared anew in their place are other items."""
    files = {file.uri: file for file in storage.list_files(storage.join(dataset.uri, split))}
    items = []
    for uri in shard_uris(dataset, split):
        if uri not in files:
            raise DatasetError(f"{uri}: not there, though {DATASET} names it; prepare again")
        file = files[uri]
        identity = fingerprint([settings, file.size, file.etag])
        items.append(Item(uri=uri, name=f"{split}/{file.name}", size=file.size, fingerprint=identity))
    return items


def _split(config: EvaluateConfig, dataset: Dataset) -> str:
    """Choose the split to score: the requested one, else test, else validation."""
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
