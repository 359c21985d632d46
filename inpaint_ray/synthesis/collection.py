"""A synthetic collection of music: tracks of five genres in three splits, as FMA lays them out."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.synthesis.genres import GENRES, synthesise

VERSION = 1  # of the sounds: another one refuses earlier collections
PARAMETERS = "synthetic.json"
FEWEST_TRACKS = 15  # one of each genre in each split
MOST_TRACKS = 7_000  # six digits hold the ids
ID_STEP = 137  # between track ids, so that a few tracks fill several of FMA's folders
HELD_OUT_SHARE = 0.15  # of a genre's tracks, in validation and again in test
ANOTHER_RATE = {0: 48_000, 6: 22_050}  # of every seven tracks
MONO = (2, 6)  # of every seven tracks


def write_collection(
    folder: Path, *, num_tracks: int = 32, duration_s: float = 12.0, seed: int = 0, sample_rate: int = 44_100
) -> None:
    """Write FOLDER/fma_music/NNN/NNNNNN.mp3 and FOLDER/fma_metadata/tracks.csv, the list last.

    Genres follow each other in turn; about 15 % of each validate and 15 % test, at least one each. As in real life,
    two of seven tracks are mono, one has 48 kHz and one 22.05 kHz. A complete collection of these parameters is left as
    it is, an unfinished one is written anew.

    Args:
        folder: where to write; made if need be.
        num_tracks: at least 15.
        duration_s: of every track, in seconds.
        seed: same seed and parameters, same audio, with the same versions of numpy, scipy and libsndfile.
        sample_rate: of most tracks, in Hz: one that MP3 knows.

    Raises:
        ValueError: num_tracks is outside its range.
        UsageError: the folder holds something else, or a collection of other parameters.
    """
    if not FEWEST_TRACKS <= num_tracks <= MOST_TRACKS:
        raise ValueError(f"num_tracks must be between {FEWEST_TRACKS} and {MOST_TRACKS}, got {num_tracks}")
    parameters = {
        "version": VERSION,
        "num_tracks": num_tracks,
        "duration_s": duration_s,
        "seed": seed,
        "sample_rate": sample_rate,
    }
    tracks_csv = folder / "fma_metadata" / "tracks.csv"
    if _holds(folder, parameters) and tracks_csv.exists():
        return
    storage.write_bytes(str(folder / PARAMETERS), json.dumps(parameters, indent=2).encode() + b"\n")
    for number in range(num_tracks):
        samples, rate = _synthesise_number(number, duration_s, seed, sample_rate)
        storage.write_bytes(str(_mp3_path(folder, number)), _encode_mp3(samples, rate))
    storage.write_bytes(str(tracks_csv), _tracks_csv(num_tracks, duration_s).encode())


def _holds(folder: Path, parameters: dict[str, int | float]) -> bool:
    """Return True if a data set of these parameters was begun here; False where there is nothing.

    Raises:
        UsageError: there is something else.
    """
    path = folder / PARAMETERS
    if path.exists():
        if (found := json.loads(path.read_text())) != parameters:
            raise UsageError(f"{folder}: holds a collection of {found}, not {parameters}; give another folder")
        return True
    if (folder / "fma_music").exists() or (folder / "fma_metadata").exists():
        raise UsageError(f"{folder}: holds a collection that is not synthetic; give another folder")
    return False


def _synthesise_number(number: int, duration_s: float, seed: int, sample_rate: int) -> tuple[NDArray, int]:
    """Synthesise the samples and rate of a track by its number, whatever the size of the data set."""
    rate = ANOTHER_RATE.get(number % 7, sample_rate)
    samples = synthesise(
        _genre(number),
        duration_s=duration_s,
        sample_rate=rate,
        num_channels=1 if number % 7 in MONO else 2,
        random=np.random.default_rng([seed, number]),
    )
    return samples, rate


def _genre(number: int) -> str:
    return list(GENRES)[number % len(GENRES)]


def _split(number: int, num_tracks: int) -> str:
    """Assign a track to a split: a genre's last tracks test, those before them validate."""
    rank = number // len(GENRES)
    count = len(range(number % len(GENRES), num_tracks, len(GENRES)))  # of this genre
    held_out = max(1, round(HELD_OUT_SHARE * count))
    return "test" if rank >= count - held_out else "validation" if rank >= count - 2 * held_out else "training"


def _track_id(number: int) -> int:
    return ID_STEP * (number + 1)


def _mp3_path(folder: Path, number: int) -> Path:
    name = f"{_track_id(number):06d}"
    return folder / "fma_music" / name[:3] / f"{name}.mp3"


def _encode_mp3(samples: NDArray, sample_rate: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T.astype(np.float32), sample_rate, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue()


def _tracks_csv(num_tracks: int, duration_s: float) -> str:
    """Format FMA's list: two header rows, a third that names the index, a row a track.

    Test tracks are of the subset medium, the others of small, so that the reference's protocol finds the same splits
    (but for the genres that it draws from).
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["", "artist", "set", "set", "track", "track", "track", "track"])
    writer.writerow(["", "name", "split", "subset", "duration", "genre_top", "license", "title"])
    writer.writerow(["track_id", *[""] * 7])
    for number in range(num_tracks):
        genre, split = _genre(number), _split(number, num_tracks)
        subset = "medium" if split == "test" else "small"
        title = f"{genre} No. {number // len(GENRES) + 1}"
        row = ["inpaint_ray", split, subset, round(duration_s), genre, "CC0-1.0", title]
        writer.writerow([_track_id(number), *row])
    return text.getvalue()
