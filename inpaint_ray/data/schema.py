"""The schema of a prepared folder: the columns of its shards, and dataset.json, which is written last.

OUTPUT/dataset.json, OUTPUT/{train,validation,test}/*.parquet, OUTPUT/rejected/*.parquet
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pyarrow as pa

from inpaint_ray.audio.patches import PATCH_BINS, PATCH_FRAMES
from inpaint_ray.errors import DatasetError
from inpaint_ray.storage import absolute, join, read_bytes, why_absent

SPLITS = ("train", "validation", "test")
DATASET, REJECTED, UNMATCHED = "dataset.json", "rejected", "unmatched.csv"
UNMATCHED_COLUMNS = ("kind", "name")
FORMAT = 2

Dtype = Literal["float32", "float16"]
REJECTED_SCHEMA = pa.schema([("uri", pa.string()), ("error", pa.string())])


def patch_schema(dtype: Dtype) -> pa.Schema:
    """Return the columns of a shard: track_id, genre, patch (its number in the track), magnitudes (128, 128) linear."""
    magnitudes = pa.fixed_shape_tensor(pa.type_for_alias(dtype), (PATCH_FRAMES, PATCH_BINS))
    return pa.schema(
        [("track_id", pa.int64()), ("genre", pa.string()), ("patch", pa.int16()), ("magnitudes", magnitudes)]
    )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The content of dataset.json."""

    source: str  # URI that the audio came from
    protocol: str  # for the assignment of tracks to splits
    dtype: Dtype
    scale: float  # largest training magnitude
    tracks: dict[str, dict[str, int]]  # split -> genre -> tracks that gave patches
    patches: dict[str, dict[str, int]]  # split -> genre -> patches
    shards: dict[str, dict[str, int]]  # split -> name of the file below the folder -> patches in it
    seconds: float  # of audio that was decoded
    rejected: int  # files that gave no patches
    absent: int  # tracks listed but without a file
    unlisted: int  # audio files that no list names
    grid: dict[str, int]  # sample rate, frame, hop, bins
    versions: dict[str, str]
    fingerprint: str  # of the listing and the settings
    wall_s: float
    format: int = FORMAT
    uri: str = field(default="", compare=False)  # of the folder it was read from; not stored

    @property
    def contents(self) -> str:
        """Return a digest of the content, which may still vary with the same `fingerprint` of listing and settings."""
        made = [self.shards, self.patches, self.tracks, self.seconds, self.grid, self.dtype, self.scale]
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]

    def num_patches(self, split: str) -> int:
        return sum(self.patches.get(split, {}).values())

    def num_tracks(self, split: str) -> int:
        return sum(self.tracks.get(split, {}).values())

    def to_json(self) -> bytes:
        record = {name: value for name, value in asdict(self).items() if name != "uri"}
        return (json.dumps(record, indent=2) + "\n").encode()


def read_dataset(uri: str) -> Dataset:
    """Read dataset.json of a prepared folder.

    Raises:
        DatasetError: nothing was prepared there, or the run that did died before its end.
    """
    try:
        record: dict[str, Any] = json.loads(read_bytes(join(uri, DATASET)))
        if record["format"] != FORMAT:
            raise DatasetError(f"{uri}: format {record['format']}, this version reads {FORMAT}; prepare again")
        return Dataset(**record, uri=absolute(uri))
    except FileNotFoundError as error:
        if absent := why_absent(uri):
            raise DatasetError(f"{uri}: no {DATASET} there: {absent}") from error
        raise DatasetError(
            f"{uri}: no {DATASET} there: not a prepared folder, or its run did not finish; run jobs/prepare.py "
            f"with --output {uri} (again)"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{uri}: {DATASET} is damaged, or another program's: {error!r}; prepare again") from error
