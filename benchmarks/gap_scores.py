"""Scores of single gaps, and tables of them.

Shapes: n = samples.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.metrics import log_spectral_distance, snr
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.evaluate.audio.visqol import Visqol

EXCERPT_S = 1.8  # around a gap, for ViSQOL
NUM_MELS = 40

Signal = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """Scores of one fill."""

    half: str
    recording: str
    start: int
    length_ms: int
    method: str
    used: str  # in the words of the gap table
    snr_db: float
    lsd_db: float
    level_db: float  # of the fill over the truth
    middle_db: float  # the same in the middle half of the gap
    onsets: float  # mean difference of log-mel flux
    visqol: float  # of 1.8 s around the gap; nan if it was not asked for
    expected_db: float  # the SNR that was predicted; nan where none is
    told_by: str  # level, trust and SNR of pseudo gaps, in dB
    seconds: float  # a gap


def judge(visqol: Visqol | None, filled: Signal, clean: Signal, sample_rate: int, start: int, stop: int) -> float:
    """Predict the MOS of 1.8 s around a gap."""
    if visqol is None:
        return np.nan
    around = max(round((EXCERPT_S * sample_rate - (stop - start)) / 2), 0)
    part = slice(max(start - around, 0), stop + around)
    return visqol.score(clean[part], filled[part], sample_rate)


def level_db(signal: Signal) -> float:
    """Return the power, in dB."""
    return float(10 * np.log10(np.mean(signal**2) + 1e-12))


def onset_distance(filled: Signal, clean: Signal, sample_rate: int, start: int, stop: int) -> float:
    """Return the mean difference of the log-mel flux of two signals in and just after a gap."""
    margin = round(0.1 * sample_rate)
    length = 2 * round(0.023 * sample_rate / 2)
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate, n_fft=length, hop_length=length // 2, n_mels=NUM_MELS, center=False, norm="slaney"
    )
    part = slice(max(start - margin, 0), stop + margin)
    both = torch.from_numpy(np.stack([filled[part], clean[part]])).float()
    logs = 10 * torch.log10(mel(both) + 1e-8)
    flux = logs.diff(dim=-1).clamp(min=0).mean(dim=1)
    return float((flux[0] - flux[1]).abs().mean())


def score_gap(filled: Signal, clean: Signal, sample_rate: int, start: int, stop: int) -> dict[str, float]:
    """Score waveform, spectrum, level and onsets of one gap."""
    grid = Grid(sample_rate)
    around = slice(max(start - grid.fft_length, 0), stop + grid.fft_length)
    restored, truth = torch.from_numpy(filled[around]), torch.from_numpy(clean[around])
    first = start - (around.start or 0)
    frames = slice(max(first - grid.fft_length, 0) // grid.hop + 1, (first + stop - start - 1) // grid.hop + 1)
    quarter = (stop - start) // 4
    middle = slice(start + quarter, stop - quarter)
    return {
        "snr_db": snr(torch.from_numpy(filled[start:stop]), torch.from_numpy(clean[start:stop])),
        "lsd_db": log_spectral_distance(spectrogram(restored, grid)[frames], spectrogram(truth, grid)[frames]),
        "level_db": level_db(filled[start:stop]) - level_db(clean[start:stop]),
        "middle_db": level_db(filled[middle]) - level_db(clean[middle]),
        "onsets": onset_distance(filled, clean, sample_rate, start, stop),
    }


def print_tables(rows: list[dict[str, str]]) -> None:
    """Print Markdown, a table a half and length; main beside each method, gap by gap."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["half"], int(row["length_ms"])].append(row)
    for (half, length_ms), group in sorted(groups.items()):
        by_method = defaultdict(dict)
        for row in group:
            by_method[row["method"]][row["recording"], row["start"]] = row
        main = by_method.get("main", {})
        print(f"\n{half}, {length_ms} ms, {len(main)} gaps of {len({key[0] for key in main})} recordings\n")
        print("| method | gaps | SNR mean / median | over main | LSD | level | middle | onsets | ViSQOL | s a gap |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
        for method, found in by_method.items():
            column = {
                name: np.array([float(row[name]) for row in found.values()])
                for name in ("snr_db", "lsd_db", "level_db", "middle_db", "onsets", "visqol", "seconds")
            }
            shared = [key for key in found if key in main]
            over = np.array([float(found[key]["snr_db"]) - float(main[key]["snr_db"]) for key in shared])
            error = over.std() / max(len(over), 1) ** 0.5
            levels = column["level_db"].mean(), column["middle_db"].mean()
            print(
                f"| {method} | {len(found)} | {column['snr_db'].mean():.2f} / {np.median(column['snr_db']):.2f} "
                f"| {over.mean():+.2f} +- {error:.2f} | {column['lsd_db'].mean():.2f} | {levels[0]:+.1f} "
                f"| {levels[1]:+.1f} | {column['onsets'].mean():.3f} | {column['visqol'].mean():.2f} "
                f"| {column['seconds'].mean():.3f} |"
            )


def print_summary(rows: list[dict[str, str]]) -> None:
    """Print Markdown, a line a half and length: SNR / LSD / level of each method, and the use of retrieval in auto."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    print("\nSNR / LSD / level in dB, means\n")
    print(f"| half, ms | gaps | {' | '.join(methods)} | taken | there: main, auto | lose 1 dB |")
    print("|---|--:|" + "--:|" * (len(methods) + 3))
    for half, length in sorted({(row["half"], int(row["length_ms"])) for row in rows}):
        group = [row for row in rows if (row["half"], int(row["length_ms"])) == (half, length)]
        found = {
            method: {(row["recording"], row["start"]): row for row in group if row["method"] == method}
            for method in methods
        }
        shared = set.intersection(*(set(found[method]) for method in ("main", "auto") if method in found))
        cells = []
        for method in methods:
            columns = ("snr_db", "lsd_db", "level_db")
            here = [row for key, row in found[method].items() if key in shared]
            values = [np.mean([float(row[name]) for row in here]) for name in columns] if here else []
            cells.append(f"{values[0]:.2f} / {values[1]:.2f} / {values[2]:+.1f}" if values else "")
        pairs = [
            (float(found["main"][key]["snr_db"]), float(row["snr_db"]))
            for key, row in found.get("auto", {}).items()
            if key in shared and row["used"] == "retrieval"
        ]
        means = [f"{value:.1f}" for value in np.mean(pairs, axis=0)] if pairs else ["", ""]
        lost = sum(after < before - 1 for before, after in pairs)
        print(
            f"| {half}, {length} | {len(shared)} | {' | '.join(cells)} | {len(pairs)} | {', '.join(means)} | {lost} |"
        )


def append_scores(path: Path, rows: list[dict[str, str]]) -> None:
    """Add scores to a CSV."""
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Score)])
        if fresh:
            writer.writeheader()
        writer.writerows(rows)
