"""Pictures on pages, as PNG: any figure, and the spectrograms of signals side by side."""

import io
from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.runs import find_runs
from inpaint_ray.audio.stft import spectrogram

RANGE_DB = 80.0  # of the colours of spectrograms
LEAST_MARK = 0.003  # of the width: a line of less than a pixel would not be drawn
FLOOR = 1e-6  # of magnitudes, below every range


def to_png(figure: Figure, *, dpi: int = 100) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def draw_spectrograms(
    signals: Mapping[str, NDArray[np.floating]],
    marked: NDArray[np.bool_],
    sample_rate: int,
    *,
    reference: str | None = None,
) -> bytes:
    """Draw the spectrogram of each signal under its label, all in the same colours.

    Up to two are drawn one above the other, more of them two in a row.

    Args:
        signals: label -> (channels, n); the mean over channels is drawn.
        marked: (n,) True where a red line above each spectrogram is drawn.
        sample_rate: Hz.
        reference: label of the signal whose loudest point has the brightest colour; None for that of all signals.
    """
    grid = Grid(sample_rate)
    levels = {label: _level_db(samples, grid) for label, samples in signals.items()}
    top = max(float(level.max()) for label, level in levels.items() if reference in (None, label))
    seconds, kilohertz = len(marked) / sample_rate, sample_rate / 2000
    columns = 1 if len(signals) <= 2 else 2
    rows = -(-len(signals) // columns)
    figure = Figure(figsize=(7 + 2 * columns, 2 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for number, (panel, (label, level)) in enumerate(zip(panels, levels.items(), strict=False)):
        image = panel.imshow(
            level.T,
            origin="lower",
            aspect="auto",
            extent=(0.0, seconds, 0.0, kilohertz),
            vmin=top - RANGE_DB,
            vmax=top,
        )
        panel.set_title(label, loc="left", fontsize="medium")
        panel.set(xlim=(0, seconds), ylim=(0, kilohertz), ylabel="kHz")
        panel.label_outer()
        if number + columns >= len(signals):  # the lowest of its column
            panel.set_xlabel("seconds")
            panel.tick_params(labelbottom=True)
        above = panel.get_xaxis_transform()  # seconds, and heights from 0 to 1
        for start, stop in zip(*find_runs(marked), strict=True):
            middle, half = (start + stop) / 2, max(stop - start, LEAST_MARK * len(marked)) / 2
            ends = [(middle - half) / sample_rate, (middle + half) / sample_rate]
            panel.plot(ends, [1.02, 1.02], color="tab:red", linewidth=3, clip_on=False, transform=above)
    for panel in panels[len(signals) :]:
        panel.set_axis_off()
    figure.colorbar(image, ax=panels, label="dB")
    return to_png(figure)


def _level_db(samples: NDArray[np.floating], grid: Grid) -> NDArray[np.floating]:
    """Compute a spectrogram in dB: (channels, n) -> (T, F)."""
    return (20 * torch.log10(spectrogram(torch.from_numpy(samples), grid).mean(dim=0).clamp(min=FLOOR))).numpy()
