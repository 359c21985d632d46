"""The recordings for local damage, split by file: training of the network, tuning of settings, testing.

Of the archive, without its gramophone recordings (which have noise of their own), every second file is for testing;
of FMA's clips those for validation are. What is tuned has seen no network, and what is tested no setting.
"""

import csv
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.decode import read_recording
from inpaint_ray.audio.local_damage import add_hiss, round_to_16_bits

Part = Literal["training", "tuning", "test"]
SECONDS = 10.0
NUM_CLIPS = {"tuning": 12, "test": 17}  # of FMA, beside the archive's files


def list_music(folder: Path, part: Part) -> list[Path]:
    """List the recordings of a part."""
    archive = [path for path in sorted((folder / "archive").glob("*/*")) if path.parent.name != "historical"]
    steps = {"test": archive[1::2], "tuning": archive[2::4], "training": archive[0::4]}
    with (folder / "fma_metadata" / "tracks.csv").open(newline="") as file:
        rows = list(csv.reader(file))[3:]
    split = {int(row[0]): row[2] for row in rows}
    if part == "test":
        chosen = [track for track, name in sorted(split.items()) if name == "validation"]
    else:
        chosen = [track for track, name in sorted(split.items()) if name == "training"]
        chosen = [track for track in chosen if (track % 10 == 0) == (part == "tuning")]
    if part in NUM_CLIPS:
        chosen = chosen[:: len(chosen) // NUM_CLIPS[part]][: NUM_CLIPS[part]]
    clips = [folder / "fma_music" / f"{track // 1000:03d}" / f"{track:06d}.mp3" for track in chosen]
    return steps[part] + clips + ([folder / "fma_original/000/000002.mp3"] if part == "training" else [])


def read_clean(path: Path, *, hiss: bool = True) -> tuple[NDArray[np.float64], int]:
    """Read the middle 10 s of a recording, (channels, n) rounded to 16 bits, with a bed of hiss; and its rate."""
    recording = read_recording(path.read_bytes())
    samples, rate = recording.to_float().astype(np.float64), recording.sample_rate
    first = max((samples.shape[1] - round(SECONDS * rate)) // 2, 0)
    samples = samples[:, first : first + round(SECONDS * rate)]
    random = np.random.default_rng([sum(path.name.encode()), samples.shape[1]])
    return round_to_16_bits(0.95 * (add_hiss(samples, random) if hiss else samples)), rate
