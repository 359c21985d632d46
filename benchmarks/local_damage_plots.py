"""Pictures of what is found and filled: confidence against truth, and spectrograms before and after.

python -m benchmarks.local_damage_plots --results FILE.jsonl --reliability docs/results/reliability.png
python -m benchmarks.local_damage_plots --music FOLDER --spectrograms FOLDER
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.local_music import list_music, read_clean
from inpaint_ray.audio.local_damage import KINDS, damage_locally
from inpaint_ray.repairing import repair

EDGES = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.0])
LENGTH_S = 0.6


def draw_reliability(lines: list[dict], path: Path) -> None:
    """Draw the share of real events by confidence, and print it."""
    figure, axes = plt.subplots(figsize=(5, 5))
    axes.plot([0, 1], [0, 1], color="0.7")
    rows = [row for line in lines if line["method"] == "ours" for row in line["confidences"]]
    for kinds, name in ((("click",), "click"), (("held", "muted"), "held, muted"), (("clipped",), "clipped")):
        of = [row for row in rows if row[0] in kinds]
        means, shares = [], []
        for low, high in zip(EDGES[:-1], EDGES[1:], strict=True):
            inside = [row for row in of if low <= row[1] < high or (high == 1 and row[1] == 1)]
            if len(inside) >= 20:
                means.append(np.mean([row[1] for row in inside]))
                shares.append(np.mean([row[2] for row in inside]))
                print(f"{name:<12} {low:.2f} to {high:.2f}: {len(inside):>6} events, {shares[-1]:.3f} real")
        axes.plot(means, shares, "o-", label=f"{name} ({len(of):,} events)")
    axes.set(xlabel="confidence", ylabel="share of events that are real", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def draw_spectrograms(music: Path, folder: Path) -> None:
    """Draw, for each kind, a stretch of a test file: clean, damaged, repaired."""
    paths = list_music(music, "test")
    folder.mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate(KINDS):
        clean, rate = read_clean(paths[number % 5])
        clean = clean[:, 2 * rate : 5 * rate]
        damaged, lost = damage_locally(clean, rate, kind, np.random.default_rng([9, number]))
        repaired = repair(damaged, rate, ("all",))
        places = np.flatnonzero(lost[0])
        first = max(int(places[len(places) // 2]) - round(LENGTH_S * rate / 2), 0) if len(places) else 0
        figure, axes = plt.subplots(2, 3, figsize=(15, 7), sharex="col")
        for column, (name, sound) in enumerate((("clean", clean), ("damaged", damaged), ("repaired", repaired))):
            part = sound[0, first : first + round(LENGTH_S * rate)]
            axes[0, column].specgram(part + 1e-9, NFFT=512, noverlap=384, Fs=rate, vmin=-160, vmax=-50)
            axes[0, column].set_title(f"{name}, {kind}, {paths[number % 5].name[:30]}")
            axes[1, column].plot(np.arange(len(part)) / rate, part, linewidth=0.6)
        figure.tight_layout()
        figure.savefig(folder / f"{kind}.png", dpi=60)
        plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="of benchmarks.local_damage")
    parser.add_argument("--reliability", type=Path, help="picture to write")
    parser.add_argument("--music", type=Path)
    parser.add_argument("--spectrograms", type=Path, help="folder for pictures")
    arguments = parser.parse_args()
    if arguments.reliability:
        draw_reliability(
            [json.loads(line) for line in arguments.results.read_text().splitlines()], arguments.reliability
        )
    if arguments.spectrograms:
        draw_spectrograms(arguments.music, arguments.spectrograms)


if __name__ == "__main__":
    main()
