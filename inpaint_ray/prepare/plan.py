"""The plan of shards, and the making of each from its tracks. Plain functions, which the job runs on the cluster.

A shard's place, tracks and order follow from the listing and the settings alone. So a task that dies is simply done
again, a run that was killed goes on where it was, and a rerun of a finished one has nothing to do.
"""

import hashlib
import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np

from inpaint_ray import storage
from inpaint_ray.data.schema import SPLITS
from inpaint_ray.data.tracks import Track
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.metrics import count
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.patching import cut_patches, read_clip
from inpaint_ray.prepare.shard_file import ShardMetadata, TrackPatches, read_metadata, write_shard
from inpaint_ray.version import VERSION

MOST_TRACKS = 32  # in a shard: 1,856 patches of clips, about 100 MB
MOST_PATCHES = 2_048  # in a file, where tracks are longer
READ_AHEAD = 2  # tracks
FEWEST_SHARDS = 8  # of a split that has tracks enough, so that small data sets use several cores


@dataclass(frozen=True)
class ShardPlan:
    """The name of a shard and the tracks that it is made from."""

    name: str  # below the output: train/00000.parquet
    tracks: list[Track]

    @property
    def split(self) -> str:
        return self.name.split("/")[0]

    def fingerprint(self, config: PrepareConfig) -> str:
        """Return a digest of all that decides what the shard holds."""
        settings = [
            self.name,
            config.dtype,
            config.whole_tracks,
            config.seed,
            VERSION,
            [asdict(t) for t in self.tracks],
        ]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]

    def further_name(self, fingerprint: str, number: int) -> str:
        """Return the name of a further file of the shard: train/00000-0123456789abcdef-001.parquet."""
        return f"{self.name.removesuffix('.parquet')}-{fingerprint}-{number:03d}.parquet"


def plan_shards(tracks: list[Track], *, seed: int) -> list[ShardPlan]:
    """Cut the tracks of each split, in a seeded order, into shards of at most 32 tracks."""
    plans = []
    for split in SPLITS:
        members = sorted((track for track in tracks if track.split == split), key=lambda track: track.track_id)
        order = np.random.default_rng(seed).permutation(len(members))
        size = min(MOST_TRACKS, -(-len(members) // FEWEST_SHARDS)) if members else 1
        for number, start in enumerate(range(0, len(members), size)):
            chosen = [members[i] for i in order[start : start + size]]
            plans.append(ShardPlan(f"{split}/{number:05d}.parquet", chosen))
    return plans


def make_shard(plan: ShardPlan, config: PrepareConfig, output: str) -> ShardMetadata:
    """Read, decode and cut the tracks of a shard and write it; or, where it stands already, read its metadata.

    A track that gives no patches is a row of the metadata, with its reason. Tracks of many patches (whole songs) go on
    in further files; the shard itself is written last, so that it stands for all of them.
    """
    uri, fingerprint = storage.join(output, plan.name), plan.fingerprint(config)
    metadata = read_metadata(uri)
    if metadata is not None and metadata.plan == fingerprint:
        return metadata
    metadata = ShardMetadata(plan=fingerprint, split=plan.split)
    parts: list[TrackPatches] = []
    for track, data in _read_ahead(plan.tracks):
        try:
            clip, seconds = read_clip(data.result(), whole=config.whole_tracks, expected_s=track.duration_s)
        except (AudioDecodeError, FileNotFoundError, PermissionError) as error:
            metadata.rejected.append((track.uri, " ".join(str(error).split())))
            if not isinstance(error, AudioDecodeError):
                metadata.plan = ""  # the track may be there, or readable, for the next run: it makes the shard again
            count("prepare", rejects=1)
            continue
        num_patches = 0
        for magnitudes in cut_patches(clip):
            if sum(len(part.magnitudes) for part in parts) + len(magnitudes) > MOST_PATCHES:
                name = plan.further_name(fingerprint, len(metadata.files) + 1)
                _write(storage.join(output, name), name, parts, config, metadata)
                parts = []
            parts.append(TrackPatches(track.track_id, track.genre, num_patches, magnitudes.astype(config.dtype)))
            num_patches += len(magnitudes)
            metadata.largest = max(metadata.largest, float(magnitudes.max()))
        metadata.count(track.genre, num_patches, seconds)
        count("prepare", tracks=1, patches=num_patches)
    _write(uri, plan.name, parts, config, metadata)
    return metadata


def _write(uri: str, name: str, parts: list[TrackPatches], config: PrepareConfig, metadata: ShardMetadata) -> None:
    metadata.files[name] = sum(len(part.magnitudes) for part in parts)
    write_shard(uri, parts, dtype=config.dtype, seed=config.seed, metadata=metadata)


def _read_ahead(tracks: list[Track]) -> Iterator[tuple[Track, Future[bytes]]]:
    """Yield each track and its bytes, while the next ones are being read."""
    with ThreadPoolExecutor(READ_AHEAD) as pool:
        waiting: deque[tuple[Track, Future[bytes]]] = deque()
        for track in tracks:
            waiting.append((track, pool.submit(storage.read_bytes, track.uri)))
            if len(waiting) > READ_AHEAD:
                yield waiting.popleft()
        yield from waiting
