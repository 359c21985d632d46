"""The cost of jobs/prepare.py beside the bare work: throughput, times of its parts, memory, bytes, float16's error.

    OMP_NUM_THREADS=1 python -m benchmarks.prepare --work FOLDER

Makes 30 s, 44.1 kHz stereo MP3s (sixteen sounds under many names) and prepares them by the job, and by a bare loop:
the same functions in as many plain processes as there are cores, without Ray. Start-up is left out of both, and said.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio.functional
from numpy.typing import NDArray

from inpaint_ray import storage
from inpaint_ray.audio.damage import draw_lost_frames
from inpaint_ray.audio.decode import decode
from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.audio.metrics import normalise, psnr
from inpaint_ray.audio.stft import stft
from inpaint_ray.cluster import start_ray
from inpaint_ray.data.tracks import list_folders
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.patching import GRID, cut_patches, read_clip
from inpaint_ray.prepare.plan import ShardPlan, make_shard, plan_shards
from inpaint_ray.prepare.run import prepare
from inpaint_ray.prepare.shard_file import ShardMetadata, TrackPatches, write_shard

SOUNDS = 16
RATE = 44_100
CORES = os.cpu_count() or 1


def write_tracks(folder: Path, count: int) -> Path:
    """Write FOLDER/COUNT/Genre/*.mp3, hard links to sixteen sounds of chords, noise and silence between them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(SOUNDS):
        path = folder / f"sound{number:02d}.mp3"
        if not path.exists():
            random = np.random.default_rng(number)
            seconds = np.arange(30 * RATE) / RATE
            notes = sum(np.sin(2 * np.pi * hertz * seconds) / hertz**0.5 for hertz in random.uniform(80, 6_000, 24))
            envelope = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(0.2, 4) * seconds)
            sound = notes[:, None] * envelope[:, None] + 0.1 * random.standard_normal((len(seconds), 2))
            soundfile.write(path, 0.5 * sound / np.abs(sound).max(), RATE, format="MP3")
    tracks = folder / str(count)
    for number in range(count):
        path = tracks / "Genre" / f"{number:06d}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.link(folder / f"sound{number % SOUNDS:02d}.mp3", path)
    return tracks


def config_of(tracks: Path, output: Path) -> PrepareConfig:
    shutil.rmtree(output, ignore_errors=True)
    return PrepareConfig(source=str(tracks), output=str(output), protocol="folders")


def bare_loop(tracks: Path, output: Path, num_processes: int = CORES) -> float:
    """Measure the seconds that plain processes take, from when all of them are ready."""
    config = config_of(tracks, output)
    plans = plan_shards(list_folders(config.source).tracks, seed=0)
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(num_processes + 1)
    parts = [plans[part::num_processes] for part in range(num_processes)]
    workers = [context.Process(target=_bare_worker, args=(config, part, ready)) for part in parts]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.monotonic()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(plans) == len(list(output.rglob("*.parquet")))
    return time.monotonic() - started


def _bare_worker(config: PrepareConfig, plans: list[ShardPlan], ready: Barrier) -> None:
    torch.set_num_threads(1)
    list(cut_patches(read_clip(Path(plans[0].tracks[0].uri).read_bytes())[0]))  # what is loaded at first use
    ready.wait()
    for plan in plans:
        make_shard(plan, config, config.output)


def by_job(tracks: Path, output: Path) -> float:
    started = time.monotonic()
    prepare(config_of(tracks, output))
    return time.monotonic() - started


def throughput(work: Path, count: int, repeats: int) -> None:
    tracks = write_tracks(work / "tracks", count)
    few = write_tracks(work / "tracks", 4 * CORES)
    started = time.monotonic()
    start_ray()
    by_job(few, work / "few")  # worker processes start and import
    startup = time.monotonic() - started
    rows = []
    for _ in range(repeats):
        rows.append((bare_loop(tracks, work / "bare"), by_job(tracks, work / "job")))
    bare, job = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"\n{count} tracks of 30 s, {CORES} cores, median of {repeats}")
    print(f"  bare loop in {CORES} processes  {bare:7.1f} s  {count / bare / CORES:6.2f} tracks/s a core")
    print(f"  jobs/prepare.py            {job:7.1f} s  {count / job / CORES:6.2f} tracks/s a core")
    ratios = ", ".join(f"{b / j:.2f}" for b, j in rows)
    print(f"  share of the bare loop     {statistics.median(b / j for b, j in rows):7.2f}    ({ratios})")
    print(f"  start-up of the job, once  {startup:7.1f} s")


def measure(act: Callable[[], object], repeats: int = 15) -> float:
    """Measure the median milliseconds of a call."""
    act()
    laps = []
    for _ in range(repeats):
        started = time.perf_counter()
        act()
        laps.append(time.perf_counter() - started)
    return 1e3 * statistics.median(laps)


def where_time_goes(work: Path) -> None:
    """Print the milliseconds of each step for a track, and of alternatives."""
    torch.set_num_threads(1)
    write_tracks(work / "tracks", SOUNDS)
    path = work / "tracks" / "sound00.mp3"
    data = path.read_bytes()
    native, _ = decode(data, mono=True)
    clip, _ = read_clip(data)
    samples = torch.from_numpy(clip)
    track_patches = [TrackPatches(0, "Genre", 0, next(cut_patches(clip)))] * 32
    write = partial(write_shard, parts=track_patches, seed=0, metadata=ShardMetadata(plan="", split="train"))
    decoding = measure(lambda: decode(data))
    parts = {
        "read": measure(path.read_bytes),
        "decode": decoding,
        "mix to mono": measure(lambda: decode(data, mono=True)) - decoding,
        "resample": measure(lambda: _resample(native)),
        "spectrogram": measure(lambda: list(cut_patches(clip))),
        "write a shard of 32, float32": measure(lambda: write(str(work / "x.parquet"), dtype="float32"), 5) / 32,
        "write a shard of 32, float16": measure(lambda: write(str(work / "x.parquet"), dtype="float16"), 5) / 32,
    }
    print("\nwhere the time of a track goes, one thread, ms (median of 15)")
    for name, value in parts.items():
        print(f"  {name:<32}{value:8.1f}")
    print("what else was tried")
    print(f"  {'STFT whole, by torch.fft':<32}{measure(lambda: _by_torch(samples)):8.1f}")
    print(f"  {'STFT whole, by scipy':<32}{measure(lambda: stft(samples, GRID).abs()):8.1f}")
    torch.set_num_threads(CORES)
    print(f"  {f'resample, {CORES} threads':<32}{measure(lambda: _resample(native)):8.1f}")
    torch.set_num_threads(1)
    try:
        import soxr  # type: ignore[import-not-found]  # not needed otherwise
    except ImportError:
        print("  resample by soxr: not installed")
    else:
        print(f"  {'resample by soxr, HQ':<32}{measure(lambda: soxr.resample(native[0], RATE, 16_000)):8.1f}")


def _resample(native: NDArray) -> torch.Tensor:
    return torchaudio.functional.resample(torch.from_numpy(native), RATE, GRID.sample_rate)


def _by_torch(samples: torch.Tensor) -> torch.Tensor:
    padded = torch.nn.functional.pad(samples, (0, GRID.fft_length))
    frames = padded.unfold(-1, GRID.fft_length, GRID.hop)[: GRID.num_frames(len(samples))]
    return torch.fft.rfft(frames * GRID.window(), dim=-1).abs()


def memory(work: Path, counts: list[int]) -> None:
    """Print peaks of the driver and of the object store, in a process of its own for each count."""
    print("\npeak memory, MiB: driver, object store")
    for count in counts:
        tracks = write_tracks(work / "tracks", count)
        command = [sys.executable, "-m", "benchmarks.prepare", "--work", str(work), "--peak-of", str(tracks)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"  {count:>6} tracks  {run.stdout.splitlines()[-1]}")


def print_peaks(work: Path, tracks: Path) -> None:
    """Print the last line: MiB of this process, the driver, and of the object store."""
    from ray._private.internal_api import memory_summary

    start_ray()
    peak, over = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.3):
            line = next(line for line in memory_summary(stats_only=True).splitlines() if "Plasma memory usage" in line)
            peak = max(peak, float(line.split()[3]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    prepare(config_of(tracks, work / "peak"))
    over.set()
    watcher.join()
    status = Path("/proc/self/status").read_text()
    driver = next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    print(f"{driver / 1024:8.1f} {peak:8.1f}")


def float16_error(work: Path, music: Path | None) -> None:
    """Print the bytes of a patch on disk, and the effect of half precision on the PSNR of interpolation."""
    write_tracks(work / "tracks", SOUNDS)
    paths = sorted(path for path in (music or work / "tracks").rglob("*.mp3") if path.is_file())[:32]
    clips = [next(cut_patches(read_clip(path.read_bytes())[0])) for path in paths]
    for dtype in ("float32", "float16"):
        track_patches = [TrackPatches(number, "Genre", 0, patches) for number, patches in enumerate(clips)]
        uri = str(work / f"{dtype}.parquet")
        write_shard(uri, track_patches, dtype=dtype, seed=0, metadata=ShardMetadata(plan="", split="train"))
        size = Path(uri).stat().st_size / sum(map(len, clips))
        print(f"\n{dtype}: {size:,.0f} bytes a patch, {len(paths)} tracks of {music or 'the benchmark'}", end="")
    patches = torch.from_numpy(np.concatenate(clips))
    lost = torch.from_numpy(np.stack([draw_lost_frames(0, number) for number in range(len(patches))]))
    scale = float(patches.max())
    scores = []
    for magnitudes in (patches, patches.half().float()):
        restored = interpolate_frames(magnitudes.masked_fill(lost.unsqueeze(-1), 0.0), lost)
        scores.append(psnr(normalise(restored, scale), normalise(magnitudes, scale)))
    finite = torch.isfinite(scores[0]) & torch.isfinite(scores[1])
    error = (scores[0] - scores[1])[finite].abs()
    print(
        f"\nfloat16 moves the PSNR of interpolation by at most {error.max():.5f} dB, {error.mean():.6f} dB on average"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the tracks and shards")
    parser.add_argument("--tracks", type=int, default=320, help="for the throughput")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--music", type=Path, help="folder of MP3s for the error of float16; default: the benchmark's")
    parser.add_argument("--memory", type=int, nargs="*", default=[100, 1_000], help="tracks for the peaks of memory")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = Path(storage.absolute(str(arguments.work)))
    if arguments.peak_of:
        print_peaks(work, arguments.peak_of)
        return
    where_time_goes(work)
    float16_error(work, arguments.music)
    memory(work, arguments.memory)
    throughput(work, arguments.tracks, arguments.repeats)


if __name__ == "__main__":
    main()
