"""Scaling of prepare and restore with worker processes on one machine.

    OMP_NUM_THREADS=1 python -m benchmarks.scaling --work FOLDER

Each number of workers has a Ray of its own with so many CPUs, and does the same work: 30 s MP3s become shards, and 30 s
WAVs with 1 % of their samples lost are restored. Start-up is left out: prepare's time is what many tracks take longer
than a few, restore's begins when each actor has written two files. Plain processes without Ray, which make the same
shards by the same functions, say how far the machine itself scales.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import ray
import ray.data

from benchmarks.prepare import bare_loop, config_of, write_tracks
from benchmarks.restore import make_damaged
from inpaint_ray.audio.encode import write_blocks
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.prepare.run import prepare
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.run import restore

WORKERS = (1, 2, 4)
FEW, TRACKS, FILES, SECONDS = 16, 480, 64, 30.0
CORES = os.cpu_count() or 1
TITLES = ("plain processes, tracks/s", "prepare, tracks/s", "restore, times real time")


def write_damaged(folder: Path) -> Path:
    """Write FOLDER/damaged/*.wav, hard links to eight sounds."""
    damaged = folder / "damaged"
    damaged.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        path = damaged / f"{number:03d}.wav"
        if number < 8:
            write_blocks(path, [make_damaged(SECONDS, 0.01, container="WAV", seed=number)])
        elif not path.exists():
            os.link(damaged / f"{number % 8:03d}.wav", path)
    return damaged


def prepare_rate(work: Path) -> float:
    """Measure prepare in tracks a second."""

    def seconds(count: int) -> float:
        config = config_of(write_tracks(work / "tracks", count), work / "shards")
        started = time.monotonic()
        prepare(config)
        return time.monotonic() - started

    seconds(FEW)  # worker processes start and import
    return (TRACKS - FEW) / (seconds(TRACKS) - seconds(FEW))


def plain_rate(work: Path, num_processes: int) -> float:
    """Measure processes without Ray in tracks a second."""
    return TRACKS / bare_loop(write_tracks(work / "tracks", TRACKS), work / "shards", num_processes)


def restore_rate(work: Path, num_workers: int) -> float:
    """Measure restore in seconds of audio a second."""
    output = work / "restored"
    shutil.rmtree(output, ignore_errors=True)
    actors = Actors(min_actors=num_workers, num_actors=num_workers)
    restore(RestoreConfig(input=str(write_damaged(work)), output=str(output), actors=actors))
    written = sorted(path.stat().st_mtime for path in output.glob("*.wav"))
    warm = 2 * num_workers
    return SECONDS * (FILES - warm) / (written[-1] - written[warm - 1])


def measure(work: Path, num_workers: int) -> None:
    """Print the last line: the three rates."""
    plain = plain_rate(work, num_workers)
    ray.init("local", num_cpus=num_workers)
    ray.data.DataContext.get_current().enable_progress_bars = False
    print(plain, prepare_rate(work), restore_rate(work, num_workers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for files and results")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    if arguments.workers:
        measure(work, arguments.workers)
        return
    rates: dict[int, list[tuple[float, ...]]] = defaultdict(list)
    for _ in range(arguments.repeats):
        for num_workers in WORKERS:
            command = [sys.executable, "-m", "benchmarks.scaling", "--work", str(work), "--workers", str(num_workers)]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            rates[num_workers].append(tuple(map(float, run.stdout.splitlines()[-1].split())))
    print(f"{CORES} cores, median of {arguments.repeats} runs; in brackets the rate of each core used, of one worker's")
    print(f"{'workers':>7}" + "".join(f"{title:>30}" for title in TITLES))
    one = [statistics.median(column) for column in zip(*rates[1], strict=True)]
    for num_workers, runs in rates.items():
        medians = [statistics.median(column) for column in zip(*runs, strict=True)]
        shares = [rate / first / min(num_workers, CORES) for rate, first in zip(medians, one, strict=True)]
        cells = [f"{rate:.1f} ({share:.2f})" for rate, share in zip(medians, shares, strict=True)]
        print(f"{num_workers:>7}" + "".join(f"{cell:>30}" for cell in cells))


if __name__ == "__main__":
    main()
