"""How well, and how fast, gaps in real music are filled: SNR in the gap by length and method.

python benchmarks/gap_filling.py --music FOLDER --gaps 5
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.decode import decode
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.inpainting.waveform import Method, fill

LENGTHS_MS = (5, 20, 50, 100)
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


def score(piece: NDArray[np.float32], sample_rate: int, method: Method) -> tuple[float, float]:
    """SNR in the gap in dB, and seconds."""
    lost = np.zeros(len(piece), dtype=bool)
    context = round(CONTEXT_S * sample_rate)
    lost[context : len(piece) - context] = True
    started = time.perf_counter()
    filled = fill(np.where(lost, np.float32(0), piece), sample_rate, lost, method=method)
    seconds = time.perf_counter() - started
    clean = piece[lost].astype(np.float64)
    return float(10 * np.log10(np.sum(clean**2) / np.sum((clean - filled[lost]) ** 2))), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="folder of undamaged audio")
    parser.add_argument("--gaps", type=int, default=10, help="gaps of each length in each file")
    parser.add_argument("--files", type=int, default=100, help="at most so many files")
    arguments = parser.parse_args()
    recordings = read_folder(arguments.music, arguments.files)
    print(f"{len(recordings)} files, {os.cpu_count()} cores, {os.getloadavg()[0]:.1f} load before the start")
    print(f"{'gap':>7}  {'method':<14}  {'gaps':>5}  {'median dB':>9}  {'mean dB':>8}  {'s per gap':>9}")
    for length_ms in LENGTHS_MS:
        pieces = [
            (piece, sample_rate)
            for samples, sample_rate in recordings
            for piece in cut_pieces(samples, sample_rate, length_ms, arguments.gaps)
        ]
        for method in COMPARED:
            ratios, seconds = zip(*(score(piece, sample_rate, method) for piece, sample_rate in pieces), strict=True)
            columns = (
                f"{len(pieces):>5}  {np.median(ratios):>9.2f}  {np.mean(ratios):>8.2f}  {np.median(seconds):>9.4f}"
            )
            print(f"{length_ms:>4} ms  {method:<14}  {columns}", flush=True)


if __name__ == "__main__":
    main()
