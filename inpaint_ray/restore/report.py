"""OUTPUT/_restore/report.html: what became of the archive, and a few files to look at and listen to."""

import base64
import io
import json
from dataclasses import asdict
from functools import partial
from importlib import resources

import jinja2
import numpy as np
import pyarrow as pa
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from inpaint_ray import storage
from inpaint_ray.audio.decode import decode
from inpaint_ray.audio.runs import find_runs
from inpaint_ray.audio.stft import Grid, spectrogram
from inpaint_ray.errors import AudioDecodeError, UnreadableError
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.spread import spread
from inpaint_ray.progress import format_duration
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.excerpts import cut_excerpts, to_flac
from inpaint_ray.restore.manifest import FOLDER, ManifestRow
from inpaint_ray.restore.summary import STATUSES, first_rows, most_repaired, summarise

REPORT = f"{FOLDER}/report.html"
NUM_EXAMPLES = 5
MOST_ROWS = 1000  # on the page; the manifest has all
RANGE_DB = 80.0  # of the pictures' colours


def write_report(
    config: RestoreConfig, ledger: Ledger, table: pa.Table, sources: dict[str, str], *, wall_s: float
) -> None:
    """Write the page.

    Args:
        config: of the run.
        ledger: of the restoration.
        table: the manifest.
        sources: name -> URI of the files of the archive.
        wall_s: seconds that this run took.
    """
    repaired = [row for row in most_repaired(table, NUM_EXAMPLES) if row.name in sources]
    wanted = [{"row": json.dumps(asdict(row)), "source": sources[row.name]} for row in repaired]
    made = {each["name"]: each for each in spread(wanted, partial(_make_example, ledger)) if each["picture"]}
    template = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(resources.files("inpaint_ray.restore").joinpath("report.html.jinja").read_text())
    summary = summarise(table)
    page = template.render(
        config=config,
        counts=summary.counts,
        rows=first_rows(table, STATUSES, MOST_ROWS),
        num_left_out=max(summary.files - MOST_ROWS, 0),
        gaps=summary.gaps,
        seconds=format_duration(summary.seconds),
        filled_s=summary.filled_s,
        examples=[made[row.name] for row in repaired if row.name in made],
        duration=format_duration,
        wall=format_duration(wall_s),
    )
    storage.write_bytes(storage.join(config.output, REPORT), page.encode("utf-8", "replace"))


def _make_example(ledger: Ledger, wanted: dict[str, str]) -> dict[str, str]:
    """Cut what the page plays of a file, and draw it, as data URIs; runs in a task. Empty ones where a file is gone."""
    row = ManifestRow(**json.loads(wanted["row"]))
    try:
        damaged, restored = cut_excerpts(ledger, row, wanted["source"])
    except (FileNotFoundError, PermissionError, UnreadableError, AudioDecodeError):
        return {"name": row.name, "damaged": "", "restored": "", "picture": ""}
    sounds = [to_flac(each) for each in (damaged, restored)]
    (before, sample_rate), (after, _) = (decode(sound) for sound in sounds)
    picture = draw_spectrograms(before, after, sample_rate)
    return {
        "name": row.name,
        "damaged": _data_uri("audio/flac", sounds[0]),
        "restored": _data_uri("audio/flac", sounds[1]),
        "picture": _data_uri("image/png", picture),
    }


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


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
