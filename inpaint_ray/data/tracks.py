"""Tracks: the types that all listings share, and the listing of a folder per genre."""

import hashlib
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from inpaint_ray.data.schema import SPLITS
from inpaint_ray.errors import UsageError
from inpaint_ray.storage import StoredFile, list_files, why_absent

AUDIO_SUFFIXES = frozenset(".mp3 .wav .flac .ogg .opus .aif .aiff .aifc .au .caf .w64 .rf64 .m4a .wma".split())


@dataclass(frozen=True)
class Track:
    """A source recording with its place in the data set."""

    uri: str
    track_id: int
    genre: str
    split: str  # train, validation or test
    num_bytes: int = 0  # of the file; 0 where it was not listed
    duration_s: float | None = None  # by the list


@dataclass(frozen=True)
class Listing:
    """The tracks to prepare, and what did not match."""

    tracks: list[Track]
    absent: list[str] = field(default_factory=list)  # names that are listed but have no file
    unlisted: list[str] = field(default_factory=list)  # URIs of audio files that no list names
    notes: list[str] = field(default_factory=list)  # lines for the user


def list_folders(source: str) -> Listing:
    """List the tracks of a folder per genre, split 80 : 10 : 10 by a hash of each track's name.

    The name is relative to the source, and nothing else decides the split: wherever the source lies and whatever is
    added to it, a track that was trained on stays in training. A small source may leave a split empty; a note says so.
    The genre is the first folder of a name, and `unknown` for files that lie in none. The track id is the hash.
    """
    tracks = []
    for file in audio_files(source):
        folders = PurePosixPath(file.name).parts[:-1]
        track_id = track_id_of(file.name)
        genre = folders[0] if folders else "unknown"
        tracks.append(Track(file.uri, track_id, genre, _hash_split(track_id), file.size))
    tracks.sort(key=lambda track: (track.genre, track.track_id))  # by hash, so that a limit takes a mixed lot
    return Listing(tracks, notes=_note_empty_splits(tracks))


def keep_some(tracks: list[Track], limit: int) -> list[Track]:
    """Keep at most `limit` tracks, taken in turn from every split and genre; more only if there are more groups.

    Every split and genre keeps at least one track, so the result can be longer than a very small limit.
    """
    groups: dict[tuple[str, str], list[Track]] = defaultdict(list)
    for track in tracks:
        groups[track.split, track.genre].append(track)
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*groups.values()))
    in_turn = [track for track in rounds if track is not None]
    return in_turn[: max(limit, len(groups))]


def audio_files(source: str) -> list[StoredFile]:
    """List every audio file below a prefix.

    Raises:
        UsageError: there is none.
    """
    files = [file for file in list_files(source) if is_audio(file.name)]
    if not files and (absent := why_absent(source)):
        raise UsageError(f"--source {source}: {absent}")
    if not files:
        raise UsageError(
            f"--source {source}: no audio file there; give the folder or bucket prefix that holds the tracks"
        )
    return files


def is_audio(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES


def track_id_of(name: str) -> int:
    """Return the id of a track that has none: 63 bits of the hash of its name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def _hash_split(track_id: int) -> str:
    tenth = track_id % 10
    return "train" if tenth < 8 else "validation" if tenth == 8 else "test"


def _note_empty_splits(tracks: list[Track]) -> list[str]:
    """Return a note on the splits that no track fell into, with the way out; none where every split has some."""
    empty = [split for split in SPLITS if split not in {track.split for track in tracks}]
    if not empty:
        return []
    return [
        f"none of these tracks is in {' or '.join(empty)}: a hash of its name puts each where it is, so that adding "
        "tracks moves none; add tracks, or choose splits in a list of your own (--protocol manifest)"
    ]
