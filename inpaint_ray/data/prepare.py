"""The pipeline from tracks to shards: Ray Data spreads the shards over the cluster, each made whole by one task.

A shard's place, tracks and order follow from the listing and the settings alone. So a task that dies is simply done
again, a run that was killed goes on where it was, and a rerun of a finished one has nothing to do.
"""

import hashlib
import io
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
import torch

from inpaint_ray import storage
from inpaint_ray.data import tracks as listing
from inpaint_ray.data.patching import GRID, cut_patches
from inpaint_ray.data.schema import DATASET, REJECTED, REJECTED_SCHEMA, SPLITS, Dataset, Dtype, read_dataset
from inpaint_ray.data.shards import ShardStory, read_story, write_shard
from inpaint_ray.data.tracks import Listing, Track
from inpaint_ray.errors import AudioDecodeError, JobFailedError, UsageError
from inpaint_ray.progress import Progress, format_duration
from inpaint_ray.version import VERSION

MOST_TRACKS = 32  # in a shard: 1,856 patches, about 100 MB
FEWEST_SHARDS = 8  # of a split that has tracks enough, so that small data sets use several cores

OWN_NAME = re.compile(rf"({'|'.join((*SPLITS, REJECTED))})/\d{{5}}\.parquet(\.[0-9a-f]{{32}}\.tmp)?")

Protocol = Literal["official", "reference", "folders"]


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Audio in storage to Parquet shards of spectrogram patches."""

    source: str
    """Folder or bucket prefix of the audio: FMA's fma_SIZE, or a folder per genre."""
    output: str
    """Folder or bucket prefix of the shards."""
    metadata: str | None = None
    """FMA's tracks.csv; not needed for the protocol `folders`."""
    protocol: Protocol = "official"
    """Who decides the splits: `official` tracks.csv, `reference` the paper, `folders` a hash (a folder per genre)."""
    dtype: Dtype = "float32"
    """Of the magnitudes in the shards."""
    max_rejected: float = 0.05
    """Largest share of files that may give no patches before the job fails."""
    limit: int | None = None
    """Keep about so many tracks, with every split and genre represented."""
    seed: int = 0
    """Of the order of patches, and of the tracks that the reference's protocol draws."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_rejected <= 1:
            raise ValueError(f"--max-rejected is a share from 0 to 1, got {self.max_rejected}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"--limit must be at least 1, got {self.limit}")
        if self.protocol != "folders" and self.metadata is None:
            raise ValueError(f"--protocol {self.protocol} needs --metadata URI/tracks.csv; or use --protocol folders")


@dataclass(frozen=True)
class ShardPlan:
    """A shard that is to be."""

    name: str  # below the output: train/00000.parquet
    tracks: list[Track]

    @property
    def split(self) -> str:
        return self.name.split("/")[0]

    def fingerprint(self, config: PrepareConfig) -> str:
        """Of all that decides what the shard holds."""
        settings = [self.name, config.dtype, config.seed, VERSION, [asdict(t) for t in self.tracks]]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


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
        found = replace(found, tracks=listing.keep_some(found.tracks, config.limit))
    plans = plan_shards(found.tracks, seed=config.seed)
    done = _finished(output, config, found)
    if done:
        print(f"{output} holds these tracks already: {done.num_patches('train')} training patches; nothing to do")
        return done
    _clear_leftovers(output, plans)
    counts = ", ".join(f"{n} {split}" for split, n in Counter(track.split for track in found.tracks).items())
    print(f"prepare  {len(found.tracks)} tracks ({counts}) into {len(plans)} shards at {output}", flush=True)
    stories = _run(plans, config, output)
    _write_rejected(output, stories)
    _check_rejected(config, output, stories, len(found.tracks))
    dataset = _summarise(config, found, stories, wall_s=time.monotonic() - started)
    storage.write_bytes(storage.join(output, DATASET), dataset.to_json())
    _print_summary(dataset, output, found)
    return replace(dataset, uri=output)


def plan_shards(tracks: list[Track], *, seed: int) -> list[ShardPlan]:
    """Tracks of each split in a seeded order, cut into shards of at most 32 tracks."""
    plans = []
    for split in SPLITS:
        members = sorted((track for track in tracks if track.split == split), key=lambda track: track.track_id)
        order = np.random.default_rng(seed).permutation(len(members))
        size = min(MOST_TRACKS, -(-len(members) // FEWEST_SHARDS)) if members else 1
        for number, start in enumerate(range(0, len(members), size)):
            chosen = [members[i] for i in order[start : start + size]]
            plans.append(ShardPlan(f"{split}/{number:05d}.parquet", chosen))
    return plans


def make_shard(plan: ShardPlan, config: PrepareConfig, output: str) -> ShardStory:
    """Read, decode and cut the tracks of a shard and write it; or, where it stands already, read its story.

    A track that gives no patches is a row of the story, with its reason.
    """
    uri, fingerprint = storage.join(output, plan.name), plan.fingerprint(config)
    story = read_story(uri)
    if story is not None and story.plan == fingerprint:
        return story
    magnitudes, kept, rejected, seconds = [], [], [], 0.0
    for track in plan.tracks:
        try:
            patches, track_s = cut_patches(storage.read_bytes(track.uri))
        except AudioDecodeError as error:
            rejected.append((track.uri, str(error)))
            continue
        magnitudes.append(patches.astype(config.dtype))
        kept.append(track)
        seconds += track_s
    counts = [len(patches) for patches in magnitudes]
    patches_by_genre: Counter[str] = Counter()
    for track, count in zip(kept, counts, strict=True):
        patches_by_genre[track.genre] += count
    story = ShardStory(
        plan=fingerprint,
        split=plan.split,
        tracks=dict(Counter(track.genre for track in kept)),
        patches=dict(patches_by_genre),
        seconds=seconds,
        largest=max((float(patches.max(initial=0)) for patches in magnitudes), default=0.0),
        rejected=rejected,
    )
    order = np.random.default_rng(config.seed).permutation(sum(counts))
    genres = np.repeat(np.array([track.genre for track in kept], dtype=object), counts)[order]
    write_shard(
        uri,
        track_ids=np.repeat(np.array([track.track_id for track in kept], dtype=np.int64), counts)[order],
        genres=genres.tolist(),
        patches=np.concatenate([np.arange(count, dtype=np.int16) for count in counts] or [np.zeros(0, np.int16)])[
            order
        ],
        magnitudes=np.concatenate(magnitudes or [np.zeros((0, 128, 128), config.dtype)])[order],
        dtype=config.dtype,
        story=story,
    )
    return story


def _run(plans: list[ShardPlan], config: PrepareConfig, output: str) -> list[ShardStory]:
    """All shards, over the cluster."""

    def make_row(row: dict[str, Any]) -> dict[str, Any]:
        torch.set_num_threads(1)  # the cores are busy with other shards
        plan = ShardPlan(row["name"], [Track(**track) for track in json.loads(row["tracks"])])
        return {"tracks": len(plan.tracks), "story": make_shard(plan, config, output).to_json()}

    rows = [{"name": plan.name, "tracks": json.dumps([asdict(t) for t in plan.tracks])} for plan in plans]
    stories = ray.data.from_items(rows, override_num_blocks=len(rows)).map(make_row)
    progress = Progress("prepare", sum(len(plan.tracks) for plan in plans), "tracks")
    result = []
    for row in stories.iter_rows():
        story = ShardStory.from_json(row["story"])
        result.append(story)
        num_rejected = sum(len(story.rejected) for story in result)
        progress.add(row["tracks"], f"{num_rejected} rejected" if num_rejected else "")
    return result


def _list_tracks(config: PrepareConfig) -> Listing:
    if config.protocol == "folders":
        return listing.list_folders(config.source)
    assert config.metadata is not None, "PrepareConfig requires it"
    return listing.list_fma(config.source, config.metadata, protocol=config.protocol, seed=config.seed)


def _finished(output: str, config: PrepareConfig, found: Listing) -> Dataset | None:
    """The data set that stands in the output, if it is the one that is asked for.

    Raises:
        UsageError: the output holds another data set, or something that is no data set.
    """
    if not storage.exists(storage.join(output, DATASET)):
        foreign = next(_foreign_names(output), None)
        if foreign:
            raise UsageError(f"--output {output} holds something else ({foreign}); give an empty or new folder")
        return None
    dataset = read_dataset(output)
    if dataset.fingerprint != _fingerprint(config, found):
        raise UsageError(
            f"--output {output} holds another data set (made from {dataset.source}, protocol {dataset.protocol}, "
            f"{dataset.dtype}); give another folder, or delete that one"
        )
    return dataset


def _foreign_names(output: str) -> Iterator[str]:
    return (file.name for file in storage.list_files(output) if not OWN_NAME.fullmatch(file.name))


def _clear_leftovers(output: str, plans: list[ShardPlan]) -> None:
    """Delete what a killed run with other settings left; its shards of the same settings stay."""
    wanted = {plan.name for plan in plans}
    for file in storage.list_files(output):
        if file.name not in wanted:
            storage.delete_file(file.uri)


def _write_rejected(output: str, stories: list[ShardStory]) -> None:
    rows = sorted(row for story in stories for row in story.rejected)
    table = pa.table([[uri for uri, _ in rows], [error for _, error in rows]], schema=REJECTED_SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    storage.write_bytes(storage.join(output, REJECTED, "00000.parquet"), buffer.getvalue())


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
    settings = [config.dtype, config.seed, sorted(list(asdict(track).values()) for track in found.tracks)]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def _summarise(config: PrepareConfig, found: Listing, stories: list[ShardStory], *, wall_s: float) -> Dataset:
    def total(counts: str) -> dict[str, dict[str, int]]:
        """Split -> genre -> count of one of the stories' counters."""
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
        seconds=round(sum(story.seconds for story in stories), 3),
        rejected=sum(len(story.rejected) for story in stories),
        absent=len(found.absent),
        unlisted=len(found.unlisted),
        grid={"sample_rate": GRID.sample_rate, "frame": GRID.frame_length, "hop": GRID.hop, "bins": GRID.num_bins},
        versions={"inpaint_ray": VERSION, "torch": torch.__version__, "ray": ray.__version__},
        fingerprint=_fingerprint(config, found),
        wall_s=round(wall_s, 1),
    )


def _print_summary(dataset: Dataset, output: str, found: Listing) -> None:
    for split in SPLITS:
        if dataset.num_patches(split):
            print(f"  {split:<10}  {dataset.num_tracks(split):>7} tracks  {dataset.num_patches(split):>9} patches")
    for word, count in (("rejected", dataset.rejected), ("listed but absent", dataset.absent)):
        if count:
            print(f"  {count} {word}")
    if found.unlisted:
        print(f"  {len(found.unlisted)} audio files that no list names, such as {found.unlisted[0]}")
    print(
        f"prepared {dataset.seconds / 3600:.2f} hours of audio in {format_duration(dataset.wall_s)}: {output}/{DATASET}"
    )
