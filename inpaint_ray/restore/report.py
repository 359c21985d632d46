"""OUTPUT/_restore/report.html: what became of the archive, and a few files to look at and listen to."""

import base64
import io
from dataclasses import dataclass
from importlib import resources

import jinja2
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from inpaint_ray import storage
from inpaint_ray.audio.decode import decode
from inpaint_ray.audio.runs import find_runs
from inpaint_ray.audio.stft import Grid, spectrogram
from inpaint_ray.progress import format_duration
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.excerpts import excerpt_uris
from inpaint_ray.restore.manifest import FOLDER, ManifestRow

REPORT = f"{FOLDER}/report.html"
NUM_EXAMPLES = 5
MOST_ROWS = 1000  # on the page; the manifest has all
STATUSES = ("failed", "partly", "restored", "unchanged")  # in the order of the page
RANGE_DB = 80.0  # of the pictures' colours


@dataclass(frozen=True)
class Example:
    """A file to listen to: data URIs."""

    row: ManifestRow
    damaged: str
    restored: str
    picture: str


def write_report(config: RestoreConfig, rows: list[ManifestRow], *, wall_s: float) -> None:
    """Write the page.

    Args:
        config: of the run.
        rows: every file of the archive.
        wall_s: seconds that this run took.
    """
    examples = [_read_example(config.output, row) for row in most_repaired(rows)]
    template = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(resources.files("inpaint_ray.restore").joinpath("report.html.jinja").read_text())
    ordered = sorted(rows, key=lambda row: (STATUSES.index(row.status), -row.filled_s, row.name))
    page = template.render(
        config=config,
        counts={status: sum(row.status == status for row in rows) for status in STATUSES},
        rows=ordered[:MOST_ROWS],
        num_left_out=max(len(rows) - MOST_ROWS, 0),
        gaps=sum(row.gaps for row in rows),
        seconds=format_duration(sum(row.seconds for row in rows)),
        filled_s=sum(row.filled_s for row in rows),
        examples=[example for example in examples if example],
        duration=format_duration,
        wall=format_duration(wall_s),
    )
    storage.write_bytes(storage.join(config.output, REPORT), page.encode("utf-8", "replace"))


def most_repaired(rows: list[ManifestRow]) -> list[ManifestRow]:
    """The files that the page shows: those with the most audio filled."""
    repaired = [row for row in rows if row.samples_replaced]
    return sorted(repaired, key=lambda row: (-row.filled_s, row.name))[:NUM_EXAMPLES]


def draw_spectrograms(damaged: NDArray, restored: NDArray, sample_rate: int) -> bytes:
    """PNG: both spectrograms, one above the other, with a mark over each place where they differ.

    Args:
        damaged: (channels, n).
        restored: (channels, n).
        sample_rate: Hz.
    """
    grid = Grid(sample_rate)
    levels = [_level_db(samples, grid) for samples in (damaged, restored)]
    top = max(float(level.max()) for level in levels)
    duration_s = damaged.shape[1] / sample_rate
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True, sharey=True)
    for place, level, title in zip(axes, levels, ("damaged", "restored"), strict=True):
        extent = (0.0, duration_s, 0.0, sample_rate / 2000)
        image = place.imshow(level.T, origin="lower", aspect="auto", extent=extent, vmin=top - RANGE_DB, vmax=top)
        place.set_title(title, loc="left", fontsize="medium")
        place.set_ylabel("kHz")
    starts, stops = find_runs(np.logical_or.reduce(damaged != restored))
    for start, stop in zip(starts / sample_rate, stops / sample_rate, strict=True):
        axes[1].plot(
            [start, stop],
            [1.02, 1.02],
            color="tab:red",
            linewidth=3,
            clip_on=False,
            transform=axes[1].get_xaxis_transform(),
        )
    axes[1].set(xlabel="seconds", xlim=(0, duration_s), ylim=(0, sample_rate / 2000))
    figure.colorbar(image, ax=axes, label="dB")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _level_db(samples: NDArray, grid: Grid) -> NDArray[np.float32]:
    """(T, F) dB, mean over channels."""
    magnitudes = spectrogram(torch.from_numpy(samples), grid).mean(dim=0)
    return (20 * torch.log10(magnitudes.clamp(min=1e-6))).numpy()


def _read_example(output: str, row: ManifestRow) -> Example | None:
    """The excerpts of a file and their picture; None where an excerpt was deleted since."""
    try:
        sounds = [storage.read_bytes(uri) for uri in excerpt_uris(output, row.name)]
    except FileNotFoundError:
        return None
    (damaged, sample_rate), (restored, _) = (decode(sound) for sound in sounds)
    return Example(
        row=row,
        damaged=_data_uri("audio/flac", sounds[0]),
        restored=_data_uri("audio/flac", sounds[1]),
        picture=_data_uri("image/png", draw_spectrograms(damaged, restored, sample_rate)),
    )


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
