"""`inpaint-ray app`: a page on loopback that repairs a file, shows its events and plays before and after."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inpaint_ray.audio.decode import join_blocks, read_blocks
from inpaint_ray.errors import UsageError
from inpaint_ray.finding.kinds import FINDS, SENSITIVITY, Find
from inpaint_ray.local.config import AppConfig, RepairConfig
from inpaint_ray.local.outcome import line_of
from inpaint_ray.local.plan import plan
from inpaint_ray.local.work import Repairer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOST = "127.0.0.1"
COLUMNS = 1600  # of the waveform: the extremes of so many stretches are drawn


def serve(config: AppConfig) -> None:
    """Serve the page until the process is stopped.

    Raises:
        UsageError: gradio is not installed.
    """
    build().launch(server_name=HOST, server_port=config.port, share=False, inbrowser=False)


def build() -> Any:
    """Build the page.

    Raises:
        UsageError: gradio is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise UsageError("inpaint-ray app needs gradio: pip install 'inpaint-ray[app]'") from error
    with gradio.Blocks(title="inpaint-ray", analytics_enabled=False) as page:
        gradio.Markdown("# inpaint-ray\nFinds lost stretches of a recording and fills them; nothing else changes.")
        with gradio.Row():
            given = gradio.Audio(label="before", type="filepath", sources=["upload"])
            repaired = gradio.Audio(label="after", type="filepath", interactive=False)
        with gradio.Row():
            kinds = gradio.CheckboxGroup(list(FINDS[:-1]), value=["dropouts"], label="damage that is looked for")
            sensitivity = gradio.Slider(0, 1, SENSITIVITY, label="greatest chance that an event is false")
            button = gradio.Button("repair", variant="primary")
        said = gradio.Textbox(label="found and filled", interactive=False, lines=2)
        picture = gradio.Plot(show_label=False)
        download = gradio.File(label="the repaired file", interactive=False)
        button.click(repair_one, [given, kinds, sensitivity], [said, picture, repaired, download])
    return page


def repair_one(
    path: str | None, kinds: list[Find], sensitivity: float
) -> tuple[str, "Figure | None", str | None, str | None]:
    """Repair a file into a folder of its own; returns a line on it, its picture, and twice the path of the result."""
    if not path:
        return "drop a file first", None, None, None
    if not kinds:
        return "choose what is looked for", None, None, None
    folder = tempfile.mkdtemp(prefix="inpaint-app-")  # the page offers it for download as long as it is served
    config = RepairConfig(files=(path,), output=folder, find=tuple(kinds), sensitivity=sensitivity)
    [task], _ = plan(config)
    outcome = Repairer(config)(task)
    line = line_of(task, outcome).removeprefix(task.label).strip().split("  -> ")[0]
    if not outcome.path:
        return line, None, None, None
    return line, draw(Path(path), Path(outcome.path)), outcome.path, outcome.path


def draw(before: Path, after: Path) -> "Figure":
    """Draw the waveform before, and what differs after in red."""
    from matplotlib.figure import Figure

    damaged, repaired = (join_blocks(list(read_blocks(path))) for path in (before, after))
    old, new = damaged.to_float().mean(axis=0), repaired.to_float().mean(axis=0)
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(0, len(old), min(COLUMNS, len(old)) + 1).astype(int)
    times = edges[:-1] / damaged.sample_rate
    low, high = np.minimum.reduceat(old, edges[:-1]), np.maximum.reduceat(old, edges[:-1])
    axes.fill_between(times, low, high, color="steelblue", linewidth=0.5, edgecolor="steelblue")
    changed = np.logical_or.reduceat(old != new, edges[:-1])
    low, high = np.minimum.reduceat(new, edges[:-1]), np.maximum.reduceat(new, edges[:-1])
    axes.vlines(times[changed], low[changed], high[changed], color="crimson", linewidth=1)
    axes.set_title("before, and what was filled in red", loc="left", fontsize="medium")
    axes.set(xlabel="seconds", xlim=(0, len(old) / damaged.sample_rate))
    return figure
