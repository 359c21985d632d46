"""CPU time and memory of the merge of a long recording: benchmarks.merge long."""

import cProfile
import pstats
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from inpaint_ray.audio.decode import decode
from inpaint_ray.copies.config import MergeConfig
from inpaint_ray.copies.listing import CopyFile, MergedFile
from inpaint_ray.copies.merger import Merger
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import write_record
from inpaint_ray.restore.manifest import FOLDER

RATE = 44_100
FASTER = (1003, 1000)  # the copy runs 0.3 % faster
EVERY_S, LENGTHS_MS = 6.0, (100, 20)  # a gap of one length, then of the other: 1 % is lost
LONGEST_S = 600.0  # of one recording
SHOWN = 25  # functions of a profile

Signal = NDArray[np.float64]


def run_long(folders: list[Path], work: Path, minutes: float, *, profiled: bool = False) -> None:
    """Merge a long stereo recording with a copy 0.3 % faster in this process; print CPU time and memory."""
    work.mkdir(parents=True, exist_ok=True)
    source, copy = work / f"long{minutes:g}.flac", work / f"copy{minutes:g}.flac"
    if not (source.exists() and copy.exists()):
        write_pair(folders, source, copy, minutes)
    seconds = soundfile.info(source).duration
    config = MergeConfig(input=str(work), output=str(work / "out"), copies=("copy",))
    item = MergedFile(
        uri=str(source),
        name=source.name,
        size=source.stat().st_size,
        fingerprint="f",
        copies=(CopyFile(copy.name, str(copy), None),),
    )
    profile = cProfile.Profile()
    before, started = _peak_mib(), time.process_time()
    if profiled:
        profile.enable()
    with write_record(Ledger(config.output, FOLDER).records, "record", Merger.schema) as record:
        entry = Merger(config, "")(item, None, record)
    profile.disable()
    cpu, row = time.process_time() - started, entry.row
    if profiled:
        pstats.Stats(profile).sort_stats("tottime").print_stats(SHOWN)
    print(f"{seconds / 60:.1f} min: {row['status']}, {row['gaps']} gaps, copies {row['copies']}, {row['error']}")
    print(f"CPU {cpu:.0f} s, {seconds / cpu:.1f} times real time; peak {_peak_mib():.0f} MiB, {before:.0f} before")


def write_pair(folders: list[Path], source: Path, copy: Path, minutes: float) -> None:
    """Write a recording of so many minutes and its copy, each with gaps of its own, which are to be found."""
    parts = [path.with_suffix(".part") for path in (source, copy)]
    with (
        soundfile.SoundFile(parts[0], "w", RATE, 2, "PCM_16", format="FLAC") as one,
        soundfile.SoundFile(parts[1], "w", RATE, 2, "PCM_16", format="FLAC") as other,
    ):
        for clean in _stereo(folders):
            left = round(minutes * 60 * RATE) - one.frames
            if left <= 0:
                break
            used = clean[:, :left]
            one.write(_damaged(used, one.frames).T)
            faster = resample_poly(used, FASTER[1], FASTER[0], axis=1)
            other.write(_damaged(faster, other.frames + RATE).T)
        else:
            raise ValueError(f"--music has {one.frames / RATE / 60:.0f} minutes of stereo at {RATE} Hz, give more")
    for part, path in zip(parts, (source, copy), strict=True):
        part.rename(path)


def _stereo(folders: list[Path]) -> Iterator[Signal]:
    """Yield stereo recordings, (2, n), at the rate."""
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        try:
            samples, rate = decode(path.read_bytes(), longest_s=LONGEST_S)
        except AudioDecodeError:
            continue  # a list or a text beside the music
        if rate == RATE and len(samples) == 2:
            yield 0.9 * samples / max(1.0, float(np.abs(samples).max()))


def _damaged(samples: Signal, first: int) -> Signal:
    """The samples, of which the first is the so-manieth of the recording, with gaps in both channels."""
    damaged = samples.copy()
    every = round(EVERY_S * RATE)
    for number in range(-(-first // every), (first + samples.shape[1]) // every + 1):
        start = number * every + every // 2 - first
        stop = start + round(LENGTHS_MS[number % len(LENGTHS_MS)] * RATE / 1000)
        damaged[:, max(start, 0) : max(stop, 0)] = 0
    return damaged


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
