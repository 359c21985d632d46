"""Seconds for a four-minute stereo file with twenty dropouts: `inpaint-ray repair`, `restore`, ffmpeg's adeclick.

    python -m benchmarks.repair --work FOLDER [--runs 3] [--seconds 240]

Each is run in turn, RUNS times, as a process of its own from the command to its end; the table has medians. CPU seconds
are those of the process and of those that it waited for: Ray's are not among them. SNR is over the lost samples.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from inpaint_ray.synthesis.genres import synthesise
from inpaint_ray.tables import markdown_table

RATE, DROPOUTS = 44_100, 20
SHORTEST_S, LONGEST_S = 0.005, 0.1
GENRE, SEED = "Folk", 1
FFMPEG = ["ffmpeg", "-v", "error", "-y", "-threads", "1"]


def make_tape(folder: Path, seconds: float) -> tuple[Path, NDArray[np.int16], NDArray[np.bool_]]:
    """Write the damaged file; returns its path, the truth, (n, 2), and the mask of lost samples, (n,)."""
    random = np.random.default_rng(SEED)
    sound = synthesise(GENRE, duration_s=seconds, sample_rate=RATE, num_channels=2, random=random)
    truth = np.rint(sound.T * 2**15).astype(np.int16)
    lost = np.zeros(len(truth), dtype=bool)
    for start in np.linspace(0.02, 0.97, DROPOUTS) * len(truth):
        length = round(RATE * SHORTEST_S * (LONGEST_S / SHORTEST_S) ** random.random())
        lost[int(start) : int(start) + length] = True
    path = folder / "tapes" / "tape.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.where(lost[:, None], 0, truth).astype(np.int16), RATE)
    return path, truth, lost


def commands(tape: Path, folder: Path) -> dict[str, tuple[list[str], Path]]:
    """Return each command and the path of its result, by name."""
    python = [sys.executable, "-m", "inpaint_ray"]
    repair = [*python, "repair", str(tape), "--overwrite", "-o"]
    found = {
        "inpaint-ray repair": ([*repair, str(folder / "one")], folder / "one" / tape.name),
        "the same, --checkpoint None": (
            [*repair, str(folder / "two"), "--checkpoint", "None"],
            folder / "two" / tape.name,
        ),
        "inpaint-ray restore": (
            [*python, "restore", "--input", str(tape.parent), "--output", str(folder / "restored")],
            folder / "restored" / tape.name,
        ),
    }
    if shutil.which("ffmpeg"):
        target = folder / "adeclick.wav"
        found["ffmpeg adeclick"] = ([*FFMPEG, "-i", str(tape), "-af", "adeclick", str(target)], target)
        target = folder / "adeclick_wide.wav"
        wide = "adeclick=w=100:t=1:b=50"
        found[f"ffmpeg {wide}"] = ([*FFMPEG, "-i", str(tape), "-af", wide, str(target)], target)
    return found


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Measure the wall-clock and CPU seconds of a child process."""
    before, started = os.times(), time.monotonic()
    act()
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - started, used


def snr(restored: NDArray[np.int16], truth: NDArray[np.int16], lost: NDArray[np.bool_]) -> float:
    """Return the signal-to-noise ratio over the lost samples, in dB."""
    error = restored[lost].astype(float) - truth[lost]
    return float(10 * np.log10(np.sum(truth[lost].astype(float) ** 2) / np.sum(error**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=240)
    args = parser.parse_args()
    tape, truth, lost = make_tape(args.work, args.seconds)
    laps: dict[str, list[tuple[float, float]]] = {}
    scores: dict[str, tuple[float, int]] = {}
    for _ in range(args.runs):
        for name, (command, path) in commands(tape, args.work).items():
            shutil.rmtree(args.work / "restored", ignore_errors=True)
            laps.setdefault(name, []).append(timed(lambda: subprocess.run(command, check=True)))  # noqa: B023
            restored, _ = soundfile.read(path, dtype="int16")
            damaged, _ = soundfile.read(tape, dtype="int16")
            scores[name] = snr(restored, truth, lost), int((restored[~lost] != damaged[~lost]).any(axis=1).sum())
    header = ["", "seconds", "CPU seconds", "SNR in the gaps, dB", "other samples that changed"]
    rows = []
    for name, pairs in laps.items():
        wall, used = (statistics.median(values) for values in zip(*pairs, strict=True))
        cpu = "" if name.endswith("restore") else f"{used:.1f}"
        rows.append([name, f"{wall:.1f}", cpu, f"{scores[name][0]:.1f}", f"{scores[name][1]:,}"])
    print(markdown_table(header, rows), end="")


if __name__ == "__main__":
    main()
