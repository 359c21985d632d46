"""What an evaluation leaves: results.json for programs, results.md and results.html for people."""

import base64
import io
import json
from importlib import resources

import jinja2
import numpy as np
from matplotlib.figure import Figure

from inpaint_ray import storage
from inpaint_ray.data.schema import Dataset
from inpaint_ray.evaluate.table import ALL, TableRow, to_json, to_markdown

FORMAT = 1


def write_report(
    output: str,
    rows: list[TableRow],
    *,
    dataset: Dataset,
    split: str,
    damage: tuple[str, ...],
    checkpoints: dict[str, str],
    architectures: dict[str, str],
) -> None:
    """Write the three files and print the table.

    Args:
        output: URI of the folder.
        rows: the table, `all` last.
        dataset: whose patches were scored.
        split: of it.
        damage: as the flag named it.
        checkpoints: name -> URI, in the order of the columns.
        architectures: name -> architecture.
    """
    methods = ["interpolation", *checkpoints]
    table = to_markdown(rows, methods)
    verdicts = [_verdict(name, rows[-1]) for name in checkpoints]
    record = {
        "format": FORMAT,
        "task": "magnitude",
        "data": dataset.uri,
        "data_fingerprint": dataset.fingerprint,
        "split": split,
        "damage": damage,
        "scale": dataset.scale,
        "checkpoints": {name: {"uri": checkpoints[name], "architecture": architectures[name]} for name in checkpoints},
        "rows": to_json(rows, methods),
    }
    text = "\n".join(
        [
            f"Gain in dB PSNR over the damaged input, split {split}, magnitude task, damage {', '.join(damage)}.",
            "",
            table,
            *verdicts,
            "",
        ]
    )
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        resources.files("inpaint_ray.evaluate").joinpath("report.html.jinja").read_text()
    )
    page = template.render(
        rows=rows,
        methods=methods,
        split=split,
        damage=damage,
        dataset=dataset,
        checkpoints=checkpoints,
        architectures=architectures,
        verdicts=verdicts,
        plot=base64.b64encode(draw_gains(rows, methods)).decode(),
    )
    storage.write_bytes(storage.join(output, "results.json"), (json.dumps(record, indent=2) + "\n").encode())
    storage.write_bytes(storage.join(output, "results.md"), text.encode())
    storage.write_bytes(storage.join(output, "results.html"), page.encode())
    print(text, flush=True)


def draw_gains(rows: list[TableRow], methods: list[str]) -> bytes:
    """PNG: gain by genre, a bar for each method."""
    figure = Figure(figsize=(max(7, 1.0 * len(rows) + 2), 4), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(rows))
    width = 0.8 / len(methods)
    for number, method in enumerate(methods):
        gains = [row.gain(method) for row in rows]
        axes.bar(places + (number - (len(methods) - 1) / 2) * width, gains, width, label=method)
    axes.set_xticks(places, [row.genre for row in rows], rotation=30, ha="right")
    axes.set(ylabel="gain over the damaged input (dB PSNR)")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _verdict(name: str, total: TableRow) -> str:
    """One sentence on a model and the baseline that it must beat."""
    assert total.genre == ALL
    difference = total.gain(name) - total.gain("interpolation")
    bare = total.means[f"{name} network_psnr"] - total.means["damaged psnr"]
    compared = f"{difference:+.2f} dB against interpolation"
    word = "beats" if difference > 0 else "does NOT beat"
    return (
        f"{name} {word} linear interpolation: {compared}; its bare output, as the paper scores it, gains {bare:.2f} dB."
    )
