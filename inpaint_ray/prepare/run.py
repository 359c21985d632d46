"""The pipeline from tracks to shards: Ray Data spreads the shards over the cluster, each made whole by one task."""

import csv
import hashlib
import io
import json
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
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
from inpaint_ray.data.tracks import Listing, Track, keep_some, list_folders
from inpaint_ray.errors import DatasetError, JobFailedError, UsageError
from inpaint_ray.fma.tracks import list_fma
from inpaint_ray.ledger.claims import claim
from inpaint_ray.ledger.spread import spread, spread_tables
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.patching import GRID
from inpaint_ray.prepare.plan import ShardPlan, make_shard, plan_shards
from inpaint_ray.prepare.shard_file import ShardMetadata, read_metadata
from inpaint_ray.prepare.track_list import list_manifest
from inpaint_ray.progress import Progress, format_duration
from inpaint_ray.terminal import say
from inpaint_ray.version import VERSION

FOLDER = "_prepare"  # below the output: of the claim
SHARD_NAME = re.compile(rf"(?P<shard>({'|'.join(SPLITS)})/\d{{5,}})(-(?P<further>[0-9a-f]{{16}})-\d{{3,}})?\.parquet")
REJECTED_TASKS = 16  # at most, that read what was rejected


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
        say(f"{output} holds these tracks already: {done.num_patches('train')} training patches; nothing to do")
        return done
    claim("--output", output, FOLDER, config.identity())
    _clear(output, {plan.name: plan.fingerprint(config) for plan in plans})
    counts = ", ".join(f"{n} {split}" for split, n in Counter(track.split for track in found.tracks).items())
    say(
        "\n".join([f"prepare  {len(found.tracks)} tracks ({counts}) into {len(plans)} shards", *found.notes]),
    )
    shards = _run(plans, config, output)
    storage.delete_unfinished(output)  # of nodes that died
    _write_rejected(output, shards)
    _write_unmatched(output, found)
    _check_rejected(config, output, shards, len(found.tracks))
    dataset = _summarise(config, found, shards, wall_s=time.monotonic() - started)
    storage.write_bytes(storage.join(output, DATASET), dataset.to_json())
    _print_summary(dataset, output)
    return replace(dataset, uri=output)


@dataclass(frozen=True)
class ShardSummary:
    """The driver's summary of a shard."""

    uri: str
    metadata: ShardMetadata  # with the first of its rejected tracks alone
    num_rejected: int


def _run(plans: list[ShardPlan], config: PrepareConfig, output: str) -> list[ShardSummary]:
    """Make all shards, over the cluster; one that stands is not made again."""

    def make_row(row: dict[str, Any]) -> dict[str, Any]:
        torch.set_num_threads(1)  # the cores are busy with other shards
        plan = ShardPlan(row["name"], [Track(**track) for track in json.loads(row["tracks"])])
        metadata = make_shard(plan, config, output)
        first = replace(metadata, rejected=metadata.rejected[:1])
        return {
            "uri": storage.join(output, plan.name),
            "tracks": len(plan.tracks),
            "metadata": first.to_json(),
            "rejected": len(metadata.rejected),
        }

    rows = [{"name": plan.name, "tracks": json.dumps([asdict(track) for track in plan.tracks])} for plan in plans]
    progress = Progress("prepare", sum(len(plan.tracks) for plan in plans), "tracks")
    made, num_rejected = [], 0
    for row in spread(rows, make_row):
        made.append(ShardSummary(row["uri"], ShardMetadata.from_json(row["metadata"]), row["rejected"]))
        num_rejected += row["rejected"]
        progress.add(row["tracks"], f"{num_rejected} rejected" if num_rejected else "")
    return sorted(made, key=lambda shard: shard.uri)  # as they came, sums would differ in their last digits


def _clear(output: str, wanted: dict[str, str]) -> None:
    """Delete leftovers of a killed run: unfinished files, and shards of other tracks.

    Args:
        output: URI of the claimed folder.
        wanted: names of the shards that are to be, and the fingerprint of the plan of each.
    """
    storage.delete_unfinished(output)
    for file in storage.list_files(output):
        found = SHARD_NAME.fullmatch(file.name)
        if found is not None:
            fingerprint = wanted.get(f"{found['shard']}.parquet")
            if fingerprint is None or found["further"] not in (None, fingerprint):
                storage.delete_file(file.uri)


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
    """Return the data set in the output, if it is the one to prepare.

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


def _write_rejected(output: str, shards: list[ShardSummary]) -> None:
    """Write the table of files that gave no patches, from the metadata of the shards."""
    uris = [shard.uri for shard in shards if shard.num_rejected]
    groups = [uris[first::REJECTED_TASKS] for first in range(min(REJECTED_TASKS, len(uris)))]
    tables = list(spread_tables([{"uris": json.dumps(group)} for group in groups], _read_rejected))
    table = pa.concat_tables([REJECTED_SCHEMA.empty_table(), *tables]).sort_by("uri")
    with storage.open_output(storage.join(output, REJECTED, "00000.parquet")) as stream:
        pq.write_table(table, stream)


def _read_rejected(rows: pa.Table) -> pa.Table:
    """Return the rejected tracks of some shards; runs in a task."""
    found = [read_metadata(uri) for text in rows["uris"].to_pylist() for uri in json.loads(text)]
    rejected = [pair for metadata in found if metadata is not None for pair in metadata.rejected]
    return pa.table([[uri for uri, _ in rejected], [error for _, error in rejected]], schema=REJECTED_SCHEMA)


def _write_unmatched(output: str, found: Listing) -> None:
    """Write the table of listed tracks without a file and of files that no list names."""
    text = io.StringIO()
    rows = [("absent", name) for name in found.absent] + [("unlisted", uri) for uri in found.unlisted]
    csv.writer(text).writerows([UNMATCHED_COLUMNS, *rows])
    storage.write_bytes(storage.join(output, UNMATCHED), text.getvalue().encode())


def _check_rejected(config: PrepareConfig, output: str, shards: list[ShardSummary], num_tracks: int) -> None:
    num_rejected = sum(shard.num_rejected for shard in shards)
    if not any(shard.metadata.patches for shard in shards):
        rejected = [pair for shard in shards for pair in shard.metadata.rejected]
        first = f"; the first: {rejected[0][0]}: {rejected[0][1]}" if rejected else ""
        raise JobFailedError(f"none of {num_tracks} tracks gave patches{first}")
    if num_rejected > config.max_rejected * num_tracks:
        raise JobFailedError(
            f"{num_rejected} of {num_tracks} files gave no patches, more than --max-rejected {config.max_rejected:g}; "
            f"{storage.join(output, REJECTED)} says why; mend them, or allow more: finished shards are kept"
        )


def _fingerprint(config: PrepareConfig, found: Listing) -> str:
    """Return a digest of all that decides what the data set holds."""
    settings = [
        config.dtype,
        config.whole_tracks,
        config.seed,
        sorted(list(asdict(track).values()) for track in found.tracks),
    ]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def _summarise(config: PrepareConfig, found: Listing, made: list[ShardSummary], *, wall_s: float) -> Dataset:
    shards = [each.metadata for each in made]

    def total(counts: str) -> dict[str, dict[str, int]]:
        """Add up one of the shards' counters: split -> genre or file -> count."""
        by_split: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        for shard in shards:
            by_split[shard.split].update(getattr(shard, counts))
        return {split: dict(sorted(genres.items())) for split, genres in by_split.items()}

    training = [shard.largest for shard in shards if shard.split == "train"]
    return Dataset(
        source=config.source,
        protocol=config.protocol,
        dtype=config.dtype,
        scale=max(training) if any(training) else max(shard.largest for shard in shards),
        tracks=total("tracks"),
        patches=total("patches"),
        shards=total("files"),
        seconds=round(sum(shard.seconds for shard in shards), 3),
        rejected=sum(each.num_rejected for each in made),
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
            say(f"  {split:<10}  {dataset.num_tracks(split):>7} tracks  {dataset.num_patches(split):>9} patches")
    for word, count, where in (
        ("rejected", dataset.rejected, REJECTED),
        ("listed but absent", dataset.absent, UNMATCHED),
        ("files that no list names", dataset.unlisted, UNMATCHED),
    ):
        if count:
            say(f"  {count} {word}: {storage.join(output, where)}")
    say(
        f"prepared {dataset.seconds / 3600:.2f} hours of audio in {format_duration(dataset.wall_s)}: {output}/{DATASET}"
    )
