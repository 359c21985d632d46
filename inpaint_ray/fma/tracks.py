"""FMA's tracks.csv: the split of each track, by FMA itself or by the reference's rule.

Facts: reference/README.md of the project's notes; mdeff/fma, usage notebook.
"""

import csv
import io
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from inpaint_ray.data.tracks import Listing, Track, audio_files
from inpaint_ray.errors import UsageError
from inpaint_ray.storage import read_bytes

FMA_SPLITS = {"training": "train", "validation": "validation", "test": "test"}
FMA_COLUMNS = [("set", "split"), ("set", "subset"), ("track", "genre_top")]
DURATION = ("track", "duration")

# The reference's protocol (seed.md): small trains (its official training part) and validates (its other parts);
# medium without small tests, of which the four largest genres are drawn: genre -> (tracks drawn, tracks there are).
REFERENCE_DRAWN = {
    "Electronic": (637, 5_314),
    "Experimental": (624, 1_251),
    "Rock": (608, 6_103),
    "Hip-Hop": (585, 1_201),
}
REFERENCE_TRACKS = {"train": 6_400, "validation": 1_600, "test": 5_583}

FmaProtocol = Literal["official", "reference"]


@dataclass(frozen=True)
class _Row:
    """A row of tracks.csv."""

    split: str
    subset: str
    genre: str
    duration_s: float | None  # of the whole song


def list_fma(source: str, metadata: str, *, protocol: FmaProtocol, seed: int = 0, whole: bool = False) -> Listing:
    """List the tracks of an FMA folder (NNN/NNNNNN.mp3 below any prefix), by its tracks.csv.

    Args:
        source: URI of the folder of audio.
        metadata: URI of tracks.csv.
        protocol: `official`, the file's own split; or `reference`, the splits of the paper.
        seed: of the drawing that the reference's protocol does for its four largest genres.
        whole: files are whole songs, so that the column of durations is theirs.

    Raises:
        UsageError: tracks.csv is absent, lacks a column, or names no genre for any track.
    """
    rows = _read_tracks_csv(metadata)
    splits = _reference_splits(rows, seed) if protocol == "reference" else {i: row.split for i, row in rows.items()}
    files, unlisted = {}, []
    for file in audio_files(source):
        stem = PurePosixPath(file.name).stem
        if stem.isdecimal() and int(stem) in rows:
            files[int(stem)] = file
        else:
            unlisted.append(file.uri)
    tracks = []
    for track_id, split in splits.items():
        if track_id in files:
            row, file = rows[track_id], files[track_id]
            duration_s = row.duration_s if whole else None
            tracks.append(Track(file.uri, track_id, row.genre, split, file.size, duration_s))
    absent = [f"{track_id:06d}" for track_id in splits if track_id not in files]
    return Listing(tracks, absent, unlisted, [_compare(tracks)] if protocol == "reference" else [])


def _read_tracks_csv(uri: str) -> dict[int, _Row]:
    """Read the rows of FMA's tracks.csv by track id; it has two header rows and a third that names the index."""
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
    duration = names.index(DURATION) if DURATION in names else None
    rows = {}
    for line in lines:
        if len(line) == len(names) and line[0].isdecimal() and line[split] in FMA_SPLITS:
            seconds = float(line[duration] or 0) if duration is not None else 0.0
            rows[int(line[0])] = _Row(FMA_SPLITS[line[split]], line[subset], line[genre] or "unknown", seconds or None)
    if not rows:
        raise UsageError(f"--metadata {uri}: no track in it has a split of {', '.join(FMA_SPLITS)}")
    return rows


def _reference_splits(rows: dict[int, _Row], seed: int) -> dict[int, str]:
    """Assign splits to track ids by the reference's rule: the subset small trains and validates, medium tests.

    Of the genres that the reference draws from, the same share is drawn where the list has fewer tracks than FMA.
    """
    splits, by_genre = {}, defaultdict(list)
    for track_id, row in rows.items():
        if row.subset == "small":
            splits[track_id] = "train" if row.split == "train" else "validation"
        elif row.subset == "medium":
            by_genre[row.genre].append(track_id)
    generator = np.random.default_rng(seed)
    for genre, track_ids in sorted(by_genre.items()):
        num_drawn, num_there = REFERENCE_DRAWN.get(genre, (1, 1))
        count = round(len(track_ids) * num_drawn / num_there)
        drawn = generator.permutation(sorted(track_ids))[:count]
        splits.update((int(track_id), "test") for track_id in drawn)
    return splits


def _compare(tracks: list[Track]) -> str:
    """Compare the tracks at hand with the reference's set, in a line for the user."""
    counts = Counter(track.split for track in tracks)
    here = ", ".join(f"{counts[split]} of {count} {split}" for split, count in REFERENCE_TRACKS.items())
    if counts == REFERENCE_TRACKS:
        return f"as many tracks as the reference has: {here}"
    return f"not as many tracks as the reference has: {here}; the proportions are its own"
