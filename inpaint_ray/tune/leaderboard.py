"""The ranking of a search, as CSV and Markdown."""

import csv
import io
from dataclasses import asdict, dataclass, fields

from inpaint_ray.tables import markdown_table

LOWEST = float("-inf")


@dataclass(frozen=True)
class Entry:
    """What became of one trial."""

    architecture: str
    parameters: int
    epochs: int
    psnr: float  # dB, validation, best epoch
    gain: float  # dB over the damaged input
    interpolation_gain: float
    nrmse: float
    seconds: float  # of training, all epochs
    stopped: str  # why: finished, or the error


def rank(entries: list[Entry]) -> list[Entry]:
    """Best gain first; trials that failed last."""
    return sorted(entries, key=lambda entry: entry.gain if entry.epochs else LOWEST, reverse=True)


def to_csv(entries: list[Entry]) -> str:
    """A header and a line a trial, in the order given, ranks from 1."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["rank", *(field.name for field in fields(Entry))])
    writer.writerows([number, *asdict(entry).values()] for number, entry in enumerate(entries, start=1))
    return buffer.getvalue()


def to_markdown(entries: list[Entry]) -> str:
    """An aligned table, with linear interpolation as the line to beat."""
    header = [
        "architecture",
        "rank",
        "parameters",
        "epochs",
        "PSNR",
        "gain",
        "over interpolation",
        "seconds",
        "stopped",
    ]
    lines = []
    for number, entry in enumerate(entries, start=1):
        over = entry.gain - entry.interpolation_gain
        scores = [f"{entry.psnr:.2f}", f"{entry.gain:.2f}", f"{over:+.2f}"] if entry.epochs else ["", "", ""]
        counts = [str(number), f"{entry.parameters:,}", str(entry.epochs)]
        lines.append([entry.architecture, *counts, *scores, f"{entry.seconds:.0f}", entry.stopped])
    return markdown_table(header, lines)
