"""The example of the README: a synthesised recording, damaged and repaired, and what was removed.

    python -m benchmarks.example --docs docs

Writes docs/example/before.flac, after.flac and removed.flac, and the picture of the three, docs/example.png.
"""

import argparse
import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.local.config import RepairConfig
from inpaint_ray.local.run import repair
from inpaint_ray.synthesis.genres import synthesise

RATE, SECONDS, SEED = 32_000, 6.0, 8
GENRE = "Folk"
DROPOUTS = ((0.72, 0.030), (1.55, 0.060), (2.40, 0.012), (3.30, 0.250), (4.55, 0.045), (5.20, 0.020))  # start, seconds
RANGE_DB = 75.0


def damaged_recording() -> NDArray[np.int16]:
    """Six seconds of a voice over chords with zeros, a stuck value and a long gap in it, (n,)."""
    random = np.random.default_rng(SEED)
    samples = synthesise(GENRE, duration_s=SECONDS, sample_rate=RATE, num_channels=1, random=random)[0]
    integers = np.rint(samples * 2**15).astype(np.int16)
    for number, (start_s, seconds) in enumerate(DROPOUTS):
        start = round(start_s * RATE)
        integers[start : start + round(seconds * RATE)] = integers[start - 1] if number == 1 else 0
    return integers


def draw(sounds: dict[str, NDArray[np.int16]]) -> Figure:
    """Draw the spectrograms side by side, in the same colours."""
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    for panel, (title, samples) in zip(figure.subplots(1, 3, sharey=True), sounds.items(), strict=True):
        magnitudes = spectrogram(torch.from_numpy(samples / 2.0**15).float(), Grid(RATE))
        level = 20 * torch.log10(magnitudes.clamp(min=1e-6)).numpy().T
        extent = (0, SECONDS, 0, RATE / 2000)
        panel.imshow(level, origin="lower", aspect="auto", extent=extent, vmin=30 - RANGE_DB, vmax=30, cmap="magma")
        panel.set(title=title, xlabel="seconds", ylim=(0, 8))
    figure.axes[0].set_ylabel("kHz")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=Path, required=True)
    docs = parser.parse_args().docs
    folder = docs / "example"
    folder.mkdir(exist_ok=True)
    before = damaged_recording()
    soundfile.write(folder / "before.flac", before, RATE)
    with tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(io.StringIO()) as said:
        repair(RepairConfig(files=(str(folder / "before.flac"),), output=work))
        after, _ = soundfile.read(Path(work, "before.flac"), dtype="int16")
    soundfile.write(folder / "after.flac", after, RATE)
    removed = before - after  # without an overflow: both lie within half of the range
    assert (after + removed == before).all() and np.abs(removed).max() < 2**15 - 1
    soundfile.write(folder / "removed.flac", removed, RATE)
    buffer = io.BytesIO()
    draw({"damaged": before, "repaired": after, "removed": removed}).savefig(buffer, dpi=90)
    Image.open(buffer).convert("P", palette=Image.Palette.ADAPTIVE).save(docs / "example.png", optimize=True)
    print(said.getvalue(), end="")


if __name__ == "__main__":
    main()
