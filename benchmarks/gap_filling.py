"""Quality and speed of gap filling: three tasks, each method beside the textbook's, well set.

    python -m benchmarks.gap_filling
    python -m benchmarks.gap_filling --music FOLDER --clips FOLDER
    python -m benchmarks.gap_filling --music FOLDER --lengths 5 20 50 100 200 400 --checkpoint runs/Gap_UNet/best

1. One gap in single instruments at 44.1 kHz, synthesised, and in the recordings of --music: SNR in the gap.
2. Packets of 10 ms lost from a piano at 32 kHz, synthesised: NMSE in the lost samples.
3. Five gaps in 5 s at 16 kHz, of a synthesised instrument, or of the files of --clips: SNR over the file.
4. One gap in one channel of the stereo recordings of --music, with and without the other channel: SNR in the gap.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.instruments import INSTRUMENTS, play
from inpaint_ray.audio.decode import decode
from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.linear_prediction import autocorrelation, least_error, predictor
from inpaint_ray.audio.metrics import log_spectral_distance, snr
from inpaint_ray.audio.runs import find_runs
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.filling.autoregressive import fill_gaps
from inpaint_ray.filling.calls import restorer_of
from inpaint_ray.filling.synthesis import lost_frames
from inpaint_ray.filling.waveform import fill

MIN_POWER = 1e-8  # -80 dB: gaps in silence have no ratio
CONTEXT_S = 0.5  # cut out on either side of each gap; more than any method looks at
PACKET_S, PACKETS_LOST = 0.01, 0.1
CLIP_S, CLIP_GAPS = 5.0, 5
FOUR_SEEDS = range(4)

Signal = NDArray[np.float64]
Lost = NDArray[np.bool_]
Filler = Callable[[Signal, int, Lost], Signal]  # (n,) zero where lost, Hz, (n,) -> (n,)


@dataclass(frozen=True)
class Case:
    """A signal and the mask of its lost samples."""

    clean: Signal  # (n,)
    sample_rate: int  # Hz
    lost: Lost  # (n,)


def fill_plainly(known: Signal, sample_rate: int, lost: Lost) -> Signal:
    """Fill by Janssen's interpolation gap by gap, well set: the baseline to beat."""
    order = 2048 if sample_rate > 32_000 else 1024
    filled = known.copy()
    for start, stop in zip(*find_runs(lost), strict=True):
        first, last = max(start - 4 * order, 0), min(stop + 4 * order, len(known))
        window, index = filled[first:last].copy(), np.arange(start, stop) - first
        for _ in range(2):
            coefficients = predictor(autocorrelation(window, order), noise=1e-9)
            window[index] = 0.0
            window[index] = least_error(window, index, coefficients)
        filled[start:stop] = window[index]
    return filled


def read_folder(folder: Path, limit: int, sample_rate: int | None = None) -> list[tuple[Signal, int]]:
    """Read all channels, (c, n), and the rate of `limit` audio files, spread over the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    recordings = []
    for path in paths[:: max(len(paths) // limit, 1)]:
        try:
            samples, rate = decode(path.read_bytes(), sample_rate=sample_rate)
        except AudioDecodeError:
            continue  # a list or a text beside the music
        recordings.append((samples.astype(np.float64), rate))
    return recordings[:limit]


def cut_gaps(recordings: list[tuple[Signal, int]], length_ms: int, count: int) -> list[Case]:
    """Yield stretches of the first channel whose middle is lost, at evenly spread places."""
    return [
        Case(clean[0], rate, lost)
        for samples, rate in recordings
        for clean, lost in _cut(samples, rate, length_ms, count)
    ]


def _cut(samples: Signal, sample_rate: int, length_ms: int, count: int) -> Iterator[tuple[Signal, Lost]]:
    """Yield stretches of all channels, (c, n), and the mask of lost samples of the first, (n,)."""
    length, context = round(length_ms * sample_rate / 1000), round(CONTEXT_S * sample_rate)
    for start in np.linspace(context, samples.shape[1] - context - length, count + 2)[1:-1].astype(int):
        clean = samples[:, max(start - context, 0) : start + length + context]
        lost = np.zeros(clean.shape[1], dtype=bool)
        lost[context : context + length] = True
        if start >= context and np.mean(clean[0, lost] ** 2) > MIN_POWER:
            yield clean, lost


def lose_packets(samples: Signal, sample_rate: int, seed: int) -> Case:
    """Lose one packet in ten, at random."""
    length = round(PACKET_S * sample_rate)
    gone = np.random.default_rng(seed).random(len(samples) // length + 1) < PACKETS_LOST
    return Case(samples, sample_rate, np.repeat(gone, length)[: len(samples)])


def lose_five(samples: Signal, sample_rate: int, length_ms: int, seed: int) -> Case:
    """Lose five gaps at random places in the middle of a recording, one in each fifth."""
    num_samples, length = round(CLIP_S * sample_rate), round(length_ms * sample_rate / 1000)
    first = max((len(samples) - num_samples) // 2, 0)
    clean = samples[first : first + num_samples]
    lost = np.zeros(len(clean), dtype=bool)
    fifth = len(clean) // CLIP_GAPS
    for number, offset in enumerate(np.random.default_rng(seed).integers(0, fifth - length, CLIP_GAPS)):
        lost[number * fifth + offset :][:length] = True
    return Case(clean, sample_rate, lost)


def report(
    task: str, cases: list[Case], fillers: dict[str, Filler], *, whole: bool = False, nmse: bool = False
) -> None:
    """Print one line a method: scores of the lost samples, or of the `whole` file."""
    for name, filler in fillers.items():
        ratios, distances, seconds = zip(*(_score(case, filler, whole) for case in cases), strict=True)
        scores = -np.array(ratios) if nmse else np.array(ratios)
        worst = scores.max() if nmse else scores.min()
        taken = sum(seconds) / sum(len(find_runs(case.lost)[0]) for case in cases)
        values = f"{scores.mean():>8.2f}  {np.median(scores):>7.2f}  {worst:>7.2f}  {np.median(distances):>6.2f}"
        print(f"{task:<28} {name:<14} {len(cases):>5}  {values}  {taken:>8.4f}", flush=True)


def _score(case: Case, filler: Filler, whole: bool) -> tuple[float, float, float]:
    """Return SNR and log-spectral distance in the gaps, in dB, and seconds."""
    started = time.perf_counter()
    filled = filler(np.where(case.lost, 0.0, case.clean), case.sample_rate, case.lost)
    seconds = time.perf_counter() - started
    scored = np.ones_like(case.lost) if whole else case.lost
    restored, clean = torch.from_numpy(filled), torch.from_numpy(case.clean)
    grid = Grid(case.sample_rate)
    frames = lost_frames(torch.from_numpy(case.lost), grid)
    distance = log_spectral_distance(spectrogram(restored, grid)[frames], spectrogram(clean, grid)[frames])
    return snr(restored[scored], clean[scored]), distance, seconds


def report_channels(recordings: list[tuple[Signal, int]], length_ms: int, count: int) -> None:
    """Print the gain from the other channel."""
    ratios = []
    for samples, rate in recordings:
        if len(samples) != 2 or np.array_equal(*samples):
            continue
        for clean, lost in _cut(samples, rate, length_ms, count):
            both = np.stack([lost, np.zeros_like(lost)])
            known = np.where(both, 0.0, clean)
            alone, helped = fill(known[0], rate, lost), fill(known, rate, both)[0]
            truth = torch.from_numpy(clean[0, lost])
            ratios.append([snr(torch.from_numpy(filled[lost]), truth) for filled in (alone, helped)])
    for name, scores in zip(("alone", "with the other"), np.array(ratios).T, strict=True):
        values = f"{scores.mean():>8.2f}  {np.median(scores):>7.2f}  {scores.min():>7.2f}"
        print(f"{f'one channel {length_ms} ms, SNR':<28} {name:<14} {len(scores):>5}  {values}", flush=True)


def fillers_of(checkpoint: str | None) -> dict[str, Filler]:
    """Return the methods to compare."""
    fillers: dict[str, Filler] = {
        "silence": lambda known, sample_rate, lost: known,
        "linear": partial(fill, method="linear"),
        "janssen": fill_plainly,
        "autoregressive": lambda known, sample_rate, lost: fill_gaps(known, lost, sample_rate),
    }
    if checkpoint:
        model = restorer_of(open_checkpoint(checkpoint))
        fillers["model"] = partial(fill, method="model", restore_magnitudes=model)
    return fillers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, help="folder of recordings, for task 1 as well")
    parser.add_argument("--clips", type=Path, help="folder of music for task 3")
    parser.add_argument("--lengths", type=int, nargs="+", default=[5, 20, 50], help="ms, of task 1")
    parser.add_argument("--gaps", type=int, default=3, help="gaps of each length in each recording")
    parser.add_argument("--files", type=int, default=40, help="at most so many files of a folder")
    parser.add_argument("--methods", nargs="+", help="only these")
    parser.add_argument("--checkpoint", help="checkpoint folder; adds the method model")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fillers = fillers_of(arguments.checkpoint)
    fillers = {name: fillers[name] for name in arguments.methods or fillers}
    print(f"{os.cpu_count()} cores, {os.getloadavg()[0]:.1f} load before the start")
    print(f"{'task':<28} {'method':<14} cases  dB: mean   median    worst     LSD  s per gap")
    solo = [(play(name, 3.0, 44_100, seed)[None], 44_100) for name in INSTRUMENTS for seed in FOUR_SEEDS]
    music = read_folder(arguments.music, arguments.files) if arguments.music else []
    for length_ms in arguments.lengths:
        report(f"instruments {length_ms} ms, SNR", cut_gaps(solo, length_ms, arguments.gaps), fillers)
        if music:
            report(f"recordings {length_ms} ms, SNR", cut_gaps(music, length_ms, arguments.gaps), fillers)
            report_channels(music, length_ms, arguments.gaps)
    pianos = [play("piano", 3.0, 32_000, seed) for seed in FOUR_SEEDS]
    packets = [lose_packets(samples, 32_000, seed) for seed, samples in enumerate(pianos)]
    report("piano packets 10 ms, NMSE", packets, fillers, nmse=True)
    if arguments.clips:
        clips = [samples[0] for samples, _ in read_folder(arguments.clips, arguments.files, 16_000)]
    else:
        clips = [play(name, CLIP_S, 16_000, seed) for name in INSTRUMENTS for seed in FOUR_SEEDS]
    for length_ms in (32, 96):
        damaged = [lose_five(samples, 16_000, length_ms, seed) for seed, samples in enumerate(clips)]
        report(f"five of {length_ms} ms, SNR of file", damaged, fillers, whole=True)


if __name__ == "__main__":
    main()
