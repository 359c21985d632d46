"""The pipeline from tracks to shards: Ray Data spreads the shards over the cluster, each made whole by one task."""

import csv
import hashlib
import io
import json
import time
from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
import soundfile
import torch

from inpaint_ray import storage
from inpaint_ray.data.schema import (
    DATASET,
    REJECTED,
    REJECTED_SCHEMA,
    SPLITS,
    UNMATCHED,
    UNMATCHED_COLUMNS,
    Dataset,
    read_dataset,
)
from inpaint_ray.data.shards import FOOTER_KEY, ShardStory
from inpaint_ray.data.tracks import Listing, Track, keep_some, list_folders
from inpaint_ray.errors import DatasetError, JobFailedError, UsageError
from inpaint_ray.fma.tracks import list_fma
from inpaint_ray.ledger.placement import place
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.leftovers import clear_leftovers
from inpaint_ray.prepare.patching import GRID
from inpaint_ray.prepare.plan import ShardPlan, make_shard, plan_shards
from inpaint_ray.prepare.track_list import list_manifest
from inpaint_ray.progress import Progress, format_duration
from inpaint_ray.version import VERSION


def prepare(config: PrepareConfig) -> Dataset:
    """Make the shards and, last, dataset.json; print progress and where everything is.

    Raises:
        UsageError: the source or output cannot be used.
        JobFailedError: no track gave patches, or more were rejected than allowed.
    """
    started = time.monotonic()
    output = storage.absolute(config.output)
    config = replace(config, source=storage.absolute(config.source), output=output)  # workers run in other folders
    found = _list_tracks(config)
    if config.limit:
        found = replace(found, tracks=keep_some(found.tracks, config.limit))
    plans = plan_shards(found.tracks, seed=config.seed)
    done = _finished(output, config, found)
    if done:
        print(f"{output} holds these tracks already: {done.num_patches('train')} training patches; nothing to do")
        return done
    clear_leftovers(output, {plan.name: plan.fingerprint(config) for plan in plans})
    counts = ", ".join(f"{n} {split}" for split, n in Counter(track.split for track in found.tracks).items())
    print(
        "\n".join([f"prepare  {len(found.tracks)} tracks ({counts}) into {len(plans)} shards", *found.notes]),
        flush=True,
    )
    stories = _run(plans, config, output)
    storage.delete_unfinished(output)  # of nodes that died
    _write_rejected(output, stories)
    _write_unmatched(output, found)
    _check_rejected(config, output, stories, len(found.tracks))
    dataset = _summarise(config, found, stories, wall_s=time.monotonic() - started)
    storage.write_bytes(storage.join(output, DATASET), dataset.to_json())
    _print_summary(dataset, output)
    return replace(dataset, uri=output)


def _run(plans: list[ShardPlan], config: PrepareConfig, output: str) -> list[ShardStory]:
    """All shards, over the cluster."""

    def make_row(row: dict[str, Any]) -> dict[str, Any]:
        torch.set_num_threads(1)  # the cores are busy with other shards
        plan = ShardPlan(row["name"], [Track(**track) for track in json.loads(row["tracks"])])
        return {"tracks": len(plan.tracks), "story": make_shard(plan, config, output).to_json()}

    rows = [{"name": plan.name, "tracks": json.dumps([asdict(t) for t in plan.tracks])} for plan in plans]
    stories = ray.data.from_items(rows, override_num_blocks=len(rows)).map(make_row)
    progress = Progress("prepare", sum(len(plan.tracks) for plan in plans), "tracks")
    result, num_rejected = [], 0
    for row in place(stories).iter_rows():
        story = ShardStory.from_json(row["story"])
        result.append(story)
        num_rejected += len(story.rejected)
        progress.add(row["tracks"], f"{num_rejected} rejected" if num_rejected else "")
    return result


def _list_tracks(config: PrepareConfig) -> Listing:
    if config.protocol == "folders":
        return list_folders(config.source)
    assert config.metadata is not None, "PrepareConfig requires it"
    if config.protocol == "manifest":
        return list_manifest(config.source, config.metadata)
    return list_fma(
        config.source, config.metadata, protocol=config.protocol, seed=config.seed, whole=config.whole_tracks
    )


def _finished(output: str, config: PrepareConfig, found: Listing) -> Dataset | None:
    """The data set that stands in the output, if it is the one that is asked for.

    Raises:
        UsageError: the output holds another data set.
    """
    if not storage.exists(storage.join(output, DATASET)):
        return None
    try:
        dataset = read_dataset(output)
    except DatasetError as error:
        raise UsageError(
            f"--output {output} holds a {DATASET} that this version did not write; give another folder, or delete "
            "that one"
        ) from error
    if dataset.fingerprint != _fingerprint(config, found):
        raise UsageError(
            f"--output {output} holds another data set (made from {dataset.source}, protocol {dataset.protocol}, "
            f"{dataset.dtype}); give another folder, or delete that one"
        )
    return dataset


def _write_rejected(output: str, stories: list[ShardStory]) -> None:
    rows = sorted(row for story in stories for row in story.rejected)
    schema = REJECTED_SCHEMA.with_metadata({FOOTER_KEY: REJECTED.encode()})  # so that a later run knows it as ours
    table = pa.table([[uri for uri, _ in rows], [error for _, error in rows]], schema=schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    storage.write_bytes(storage.join(output, REJECTED, "00000.parquet"), buffer.getvalue())


def _write_unmatched(output: str, found: Listing) -> None:
    """Name what is listed without a file, and the files that no list names."""
    text = io.StringIO()
    rows = [("absent", name) for name in found.absent] + [("unlisted", uri) for uri in found.unlisted]
    csv.writer(text).writerows([UNMATCHED_COLUMNS, *rows])
    storage.write_bytes(storage.join(output, UNMATCHED), text.getvalue().encode())


def _check_rejected(config: PrepareConfig, output: str, stories: list[ShardStory], num_tracks: int) -> None:
    rejected = [row for story in stories for row in story.rejected]
    if not any(story.patches for story in stories):
        first = f"; the first: {rejected[0][0]}: {rejected[0][1]}" if rejected else ""
        raise JobFailedError(f"none of {num_tracks} tracks gave patches{first}")
    if len(rejected) > config.max_rejected * num_tracks:
        raise JobFailedError(
            f"{len(rejected)} of {num_tracks} files gave no patches, more than --max-rejected {config.max_rejected:g}; "
            f"{storage.join(output, REJECTED)} says why; mend them, or allow more: finished shards are kept"
        )


def _fingerprint(config: PrepareConfig, found: Listing) -> str:
    """Of all that decides what the data set holds."""
    settings = [
        config.dtype,
        config.whole_tracks,
        config.seed,
        sorted(list(asdict(track).values()) for track in found.tracks),
    ]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def _summarise(config: PrepareConfig, found: Listing, stories: list[ShardStory], *, wall_s: float) -> Dataset:
    def total(counts: str) -> dict[str, dict[str, int]]:
        """Split -> genre or file -> count of one of the stories' counters."""
        by_split: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        for story in stories:
            by_split[story.split].update(getattr(story, counts))
        return {split: dict(sorted(genres.items())) for split, genres in by_split.items()}

    training = [story.largest for story in stories if story.split == "train"]
    return Dataset(
        source=config.source,
        protocol=config.protocol,
        dtype=config.dtype,
        scale=max(training) if any(training) else max(story.largest for story in stories),
        tracks=total("tracks"),
        patches=total("patches"),
        shards=total("files"),
        seconds=round(sum(story.seconds for story in stories), 3),
        rejected=sum(len(story.rejected) for story in stories),
        absent=len(found.absent),
        unlisted=len(found.unlisted),
        grid={"sample_rate": GRID.sample_rate, "frame": GRID.frame_length, "hop": GRID.hop, "bins": GRID.num_bins},
        versions={
            "inpaint_ray": VERSION,
            "torch": torch.__version__,
            "ray": ray.__version__,
            "libsndfile": soundfile.__libsndfile_version__,
        },
        fingerprint=_fingerprint(config, found),
        wall_s=round(wall_s, 1),
    )


def _print_summary(dataset: Dataset, output: str) -> None:
    for split in SPLITS:
        if dataset.num_patches(split):
            print(f"  {split:<10}  {dataset.num_tracks(split):>7} tracks  {dataset.num_patches(split):>9} patches")
    for word, count, where in (
        ("rejected", dataset.rejected, REJECTED),
        ("listed but absent", dataset.absent, UNMATCHED),
        ("files that no list names", dataset.unlisted, UNMATCHED),
    ):
        if count:
            print(f"  {count} {word}: {storage.join(output, where)}")
    print(
        f"prepared {dataset.seconds / 3600:.2f} hours of audio in {format_duration(dataset.wall_s)}: {output}/{DATASET}"
    )
