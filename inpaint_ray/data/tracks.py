"""Which audio files there are, and the split and genre of each: from FMA's tracks.csv, or from a folder per genre."""

import csv
import hashlib
import io
import itertools
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from inpaint_ray.errors import UsageError
from inpaint_ray.storage import StoredFile, list_files, read_bytes

AUDIO_SUFFIXES = frozenset(".mp3 .wav .flac .ogg .opus .aif .aiff .aifc .au .caf .w64 .rf64 .m4a .wma".split())
FMA_SPLITS = {"training": "train", "validation": "validation", "test": "test"}
FMA_COLUMNS = [("set", "split"), ("set", "subset"), ("track", "genre_top")]

# The reference's protocol (seed.md): small trains (its official training part) and validates (its other parts);
# of medium without small, at most so many tracks of a genre test. Genres not named here test with all they have.
REFERENCE_TEST_TRACKS = {"Electronic": 637, "Experimental": 624, "Rock": 608, "Hip-Hop": 585}


@dataclass(frozen=True)
class Track:
    """A source recording with its place in the data set."""

    uri: str
    track_id: int
    genre: str
    split: str  # train, validation or test


@dataclass(frozen=True)
class Listing:
    """The tracks to prepare, and what did not match."""

    tracks: list[Track]
    absent: list[int]  # track ids that are listed but have no file
    unlisted: list[str]  # URIs of audio files that no list names


@dataclass(frozen=True)
class _Row:
    """What a row of tracks.csv says of a track."""

    split: str
    subset: str
    genre: str


def list_fma(source: str, metadata: str, *, protocol: str, seed: int = 0) -> Listing:
    """The tracks of an FMA folder (NNN/NNNNNN.mp3 below any prefix), by its tracks.csv.

    Args:
        source: URI of the folder of audio.
        metadata: URI of tracks.csv.
        protocol: `official`, the file's own split; or `reference`, the splits of the paper.
        seed: of the drawing that the reference's protocol does for its four largest genres.

    Raises:
        UsageError: tracks.csv is absent, lacks a column, or names no genre for any track.
    """
    rows = _read_tracks_csv(metadata)
    splits = _reference_splits(rows, seed) if protocol == "reference" else {i: row.split for i, row in rows.items()}
    files, unlisted = {}, []
    for file in _audio_files(source):
        stem = PurePosixPath(file.name).stem
        if stem.isdecimal() and int(stem) in rows:
            files[int(stem)] = file
        else:
            unlisted.append(file.uri)
    tracks = [
        Track(uri=files[i].uri, track_id=i, genre=rows[i].genre, split=split)
        for i, split in splits.items()
        if i in files
    ]
    return Listing(tracks=tracks, absent=[i for i in splits if i not in files], unlisted=unlisted)


def list_folders(source: str) -> Listing:
    """The tracks of a folder per genre, split 80 : 10 : 10 by a hash of each name, so that adding tracks moves none.

    The genre is the first folder of a name, and `unknown` for files that lie in none. A genre of three or more tracks
    is in every split. The track id is a hash of the name.
    """
    by_genre: dict[str, list[StoredFile]] = defaultdict(list)
    for file in _audio_files(source):
        folders = PurePosixPath(file.name).parts[:-1]
        by_genre[folders[0] if folders else "unknown"].append(file)
    tracks = []
    for genre, files in sorted(by_genre.items()):
        members = [Track(uri=f.uri, track_id=_name_hash(f.name) >> 1, genre=genre, split="") for f in files]
        members = [replace(track, split=_hash_split(track.track_id)) for track in members]
        tracks += _fill_empty_splits(members)
    return Listing(tracks=tracks, absent=[], unlisted=[])


def keep_some(tracks: list[Track], limit: int) -> list[Track]:
    """At most `limit` tracks, taken in turn from every split and genre; more than that only if there are more groups.

    Every split and genre keeps at least one track, so the result can be longer than a very small limit.
    """
    groups: dict[tuple[str, str], list[Track]] = defaultdict(list)
    for track in tracks:
        groups[track.split, track.genre].append(track)
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*groups.values()))
    in_turn = [track for track in rounds if track is not None]
    return in_turn[: max(limit, len(groups))]


def _audio_files(source: str) -> list[StoredFile]:
    """Every audio file below a prefix.

    Raises:
        UsageError: there is none.
    """
    files = [file for file in list_files(source) if PurePosixPath(file.name).suffix.lower() in AUDIO_SUFFIXES]
    if not files:
        raise UsageError(
            f"--source {source}: no audio file there; give the folder or bucket prefix that holds the tracks"
        )
    return files


def _read_tracks_csv(uri: str) -> dict[int, _Row]:
    """Track id -> row of FMA's tracks.csv, which has two header rows and a third that names the index."""
    try:
        text = read_bytes(uri).decode("utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"--metadata {uri}: no such file; give FMA's fma_metadata/tracks.csv") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--metadata {uri}: not a text file: {error}; give FMA's fma_metadata/tracks.csv") from error
    lines = csv.reader(io.StringIO(text))
    names = list(zip(next(lines, []), next(lines, []), strict=False))
    missing = [column for column in FMA_COLUMNS if column not in names]
    if missing:
        wanted = ", ".join("/".join(column) for column in missing)
        raise UsageError(
            f"--metadata {uri}: column {wanted} is missing; give FMA's tracks.csv with both its header rows"
        )
    split, subset, genre = (names.index(column) for column in FMA_COLUMNS)
    rows = {}
    for line in lines:
        if len(line) == len(names) and line[0].isdecimal() and line[split] in FMA_SPLITS:
            rows[int(line[0])] = _Row(FMA_SPLITS[line[split]], line[subset], line[genre] or "unknown")
    if not rows:
        raise UsageError(f"--metadata {uri}: no track in it has a split of {', '.join(FMA_SPLITS)}")
    return rows


def _reference_splits(rows: dict[int, _Row], seed: int) -> dict[int, str]:
    """Track id -> split by the reference's rule (reference/README.md): small trains and validates, medium tests."""
    splits, by_genre = {}, defaultdict(list)
    for track_id, row in rows.items():
        if row.subset == "small":
            splits[track_id] = "train" if row.split == "train" else "validation"
        elif row.subset == "medium":
            by_genre[row.genre].append(track_id)
    generator = np.random.default_rng(seed)
    for genre, track_ids in sorted(by_genre.items()):
        count = REFERENCE_TEST_TRACKS.get(genre, len(track_ids))
        drawn = generator.permutation(sorted(track_ids))[:count]
        splits.update((int(track_id), "test") for track_id in drawn)
    return splits


def _name_hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def _hash_split(track_id: int) -> str:
    tenth = track_id % 10
    return "train" if tenth < 8 else "validation" if tenth == 8 else "test"


def _fill_empty_splits(tracks: list[Track]) -> list[Track]:
    """Move a track of the fullest split to each empty one, where there are tracks enough."""
    ordered = sorted(tracks, key=lambda track: track.track_id)
    for wanted in ("validation", "test", "train"):
        splits = [track.split for track in ordered]
        fullest = max(set(splits), key=splits.count)
        if wanted not in splits and splits.count(fullest) > 1:
            place = splits.index(fullest)
            ordered[place] = replace(ordered[place], split=wanted)
    return ordered
