"""How well, and how fast, gaps in real music are filled: SNR and log-spectral distance in the gap, by length.

python benchmarks/gap_filling.py --music FOLDER --gaps 5
python benchmarks/gap_filling.py --music FOLDER --gaps 5 --checkpoint runs/Gap_UNet/best
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inpaint_ray.audio.decode import decode
from inpaint_ray.audio.metrics import log_spectral_distance, snr
from inpaint_ray.audio.stft import Grid, spectrogram
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.inpainting.calls import open_checkpoint, restorer_of
from inpaint_ray.inpainting.waveform import Method, RestoreMagnitudes, fill

LENGTHS_MS = (5, 20, 50, 100, 200, 400)
COMPARED: tuple[Method, ...] = ("silence", "linear", "autoregressive")
MIN_POWER = 1e-8  # -80 dB: gaps in silence have no ratio
CONTEXT_S = 0.5  # cut out on either side of each gap; more than any method looks at


def read_folder(folder: Path, limit: int) -> list[tuple[NDArray[np.float32], int]]:
    """The first channel, (n,), and the rate of each of the first `limit` files that are audio."""
    recordings: list[tuple[NDArray[np.float32], int]] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if len(recordings) == limit:
            break
        try:
            samples, sample_rate = decode(path.read_bytes())
        except AudioDecodeError:
            continue  # a list or a text beside the music
        recordings.append((samples[0], sample_rate))
    return recordings


def cut_pieces(samples: NDArray[np.float32], sample_rate: int, length_ms: int, count: int) -> list[NDArray[np.float32]]:
    """Stretches with a sounding middle of `length_ms`, at evenly spread places, (n,) each."""
    length, context = round(length_ms * sample_rate / 1000), round(CONTEXT_S * sample_rate)
    starts = np.linspace(context, len(samples) - context - length, count + 2)[1:-1].astype(int)
    pieces = [samples[start - context : start + length + context] for start in starts if start >= context]
    return [piece for piece in pieces if np.mean(piece[context : context + length] ** 2) > MIN_POWER]


def score(
    piece: NDArray[np.float32], sample_rate: int, method: Method, model: RestoreMagnitudes | None
) -> tuple[float, float, float]:
    """SNR and log-spectral distance in the gap, in dB, and seconds."""
    lost = np.zeros(len(piece), dtype=bool)
    context = round(CONTEXT_S * sample_rate)
    lost[context : len(piece) - context] = True
    started = time.perf_counter()
    filled = fill(np.where(lost, np.float32(0), piece), sample_rate, lost, method=method, restore_magnitudes=model)
    seconds = time.perf_counter() - started
    grid = Grid(sample_rate)
    frames = slice(context // grid.hop, (len(piece) - context) // grid.hop + 1)
    spectra = [spectrogram(torch.from_numpy(signal), grid)[frames] for signal in (filled, piece)]
    clean, restored = torch.from_numpy(piece[lost]), torch.from_numpy(filled[lost])
    return snr(restored, clean), log_spectral_distance(*spectra), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="folder of undamaged audio")
    parser.add_argument("--gaps", type=int, default=10, help="gaps of each length in each file")
    parser.add_argument("--files", type=int, default=100, help="at most so many files")
    parser.add_argument("--checkpoint", help="checkpoint folder; adds the method model")
    arguments = parser.parse_args()
    model = restorer_of(open_checkpoint(arguments.checkpoint)) if arguments.checkpoint else None
    methods = (*COMPARED, "model") if model else COMPARED
    torch.set_num_threads(1)
    recordings = read_folder(arguments.music, arguments.files)
    print(f"{len(recordings)} files, {os.cpu_count()} cores, {os.getloadavg()[0]:.1f} load before the start")
    print("  gap    method          gaps  SNR: median     mean   LSD: median  s per gap")
    for length_ms in LENGTHS_MS:
        pieces = [
            (piece, sample_rate)
            for samples, sample_rate in recordings
            for piece in cut_pieces(samples, sample_rate, length_ms, arguments.gaps)
        ]
        for method in methods:
            scored = [score(piece, rate, method, model) for piece, rate in pieces]
            ratios, distances, seconds = zip(*scored, strict=True)
            scores = f"{np.median(ratios):>11.2f}  {np.mean(ratios):>7.2f}  {np.median(distances):>12.2f}"
            print(f"{length_ms:>4} ms  {method:<14} {len(pieces):>5}  {scores}  {np.median(seconds):>9.4f}", flush=True)


if __name__ == "__main__":
    main()
