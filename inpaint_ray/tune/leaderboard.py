"""The ranking of a search: leaderboard.csv for programs, leaderboard.md and leaderboard.html for people."""

import csv
import io
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from scipy.stats import spearmanr

from inpaint_ray import storage
from inpaint_ray.pages.templates import data_uri, render
from inpaint_ray.tables import markdown_table
from inpaint_ray.tune.entries import Entry
from inpaint_ray.tune.figures import draw_curves, draw_pareto, draw_space
from inpaint_ray.tune.space import in_words
from inpaint_ray.version import VERSION

FEWEST_RANKS = 4  # below, a rank correlation says nothing


def to_csv(entries: Sequence[Entry]) -> str:
    """Format trials as CSV: a header and a line a trial, in the order given, ranks from 1."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    columns = [column.name for column in fields(Entry) if column.name != "history"]
    writer.writerow(["rank", *columns])
    for number, entry in enumerate(entries, start=1):
        values = {name: getattr(entry, name) for name in columns} | {"settings": in_words(entry.settings)}
        writer.writerow([number, *values.values()])
    return buffer.getvalue()


def to_rows(entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """Return the header and cells of the table, with linear interpolation as the baseline to beat."""
    with_settings = any(entry.settings for entry in entries)
    header = ["architecture", *(["settings"] if with_settings else []), "rank", "parameters", "million multiply-adds"]
    header += [
        "epochs",
        "patches",
        "PSNR",
        "gain",
        "over interpolation",
        "NRMSE",
        "published PSNR",
        "seconds",
        "stopped",
    ]
    rows = []
    for number, entry in enumerate(entries, start=1):
        over = entry.gain - entry.interpolation_gain
        scores = [f"{entry.psnr:.2f}", f"{entry.gain:.2f}", f"{over:+.2f}", f"{entry.nrmse:.3f}"]
        row = [entry.architecture, *([in_words(entry.settings)] if with_settings else []), str(number)]
        row += [f"{entry.parameters:,}", f"{entry.multiply_adds / 1e6:,.0f}", str(entry.epochs), f"{entry.patches:,}"]
        row += scores if entry.has_score else [""] * len(scores)
        row += ["" if entry.published_psnr is None else f"{entry.published_psnr:.2f}"]
        rows.append([*row, f"{entry.seconds:.0f}", entry.stopped])
    return header, rows


def published_agreement(entries: Sequence[Entry]) -> str:
    """Compare the ranks with those of the published validation PSNRs, in a sentence."""
    best: dict[str, Entry] = {}
    for entry in entries:  # in the order of ranks: the first of an architecture is its best
        if entry.has_score and entry.published_psnr is not None:
            best.setdefault(entry.architecture, entry)
    if len(best) < FEWEST_RANKS:
        return f"{len(best)} of these have a published PSNR: too few to compare ranks."
    published = np.array([entry.published_psnr for entry in best.values()])
    correlation, p = spearmanr([entry.gain for entry in best.values()], published)
    most = max(entry.patches for entry in best.values())
    return (
        f"Ranks here and by published validation PSNR, {len(best)} architectures: Spearman {correlation:+.2f} "
        f"(p = {p:.2f}). The paper trained each for 100 epochs of some 370,000 patches of its own data; here none saw "
        f"more than {most:,} in all: a short search ranks how fast networks learn, not how far they get."
    )


def to_markdown(entries: Sequence[Entry]) -> str:
    """Format the table as Markdown, and the sentence on the published ranks."""
    header, rows = to_rows(entries)
    table = markdown_table(header, rows, num_left=header.index("rank"))
    return f"{table}\n{published_agreement(entries)}\n"


def write_leaderboard(run_uri: str, name: str, entries: Sequence[Entry]) -> None:
    """Write leaderboard.csv, .md and .html and their pictures into the folder of a search."""
    header, rows = to_rows(entries)
    drawn = {
        ("Quality against cost", "pareto.png"): draw_pareto(entries),
        ("Learning", "curves.png"): draw_curves(entries),
        ("Settings", "settings.png"): draw_space(entries),
    }
    pictures = {title: png for title, png in drawn.items() if png}
    html = render(
        "inpaint_ray.tune",
        "leaderboard.html.jinja",
        name=name,
        header=header,
        rows=rows,
        agreement=published_agreement(entries),
        pictures={title: data_uri("image/png", png) for (title, _), png in pictures.items()},
        version=VERSION,
    )
    storage.write_bytes(storage.join(run_uri, "leaderboard.csv"), to_csv(entries).encode())
    links = "".join(f"\n![{title}]({file})\n" for title, file in pictures)
    storage.write_bytes(storage.join(run_uri, "leaderboard.md"), (to_markdown(entries) + links).encode())
    storage.write_bytes(storage.join(run_uri, "leaderboard.html"), html.encode())
    for (_, file), png in pictures.items():
        storage.write_bytes(storage.join(run_uri, file), png)
