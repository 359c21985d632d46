"""The ranking of a search, as CSV and Markdown."""

import csv
import io
from dataclasses import asdict, dataclass, fields

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
    lines = [
        ("rank", "architecture", "parameters", "epochs", "PSNR", "gain", "over interpolation", "seconds", "stopped")
    ]
    for number, e in enumerate(entries, start=1):
        scores = (
            (f"{e.psnr:.2f}", f"{e.gain:.2f}", f"{e.gain - e.interpolation_gain:+.2f}") if e.epochs else ("", "", "")
        )
        lines.append(
            (str(number), e.architecture, f"{e.parameters:,}", str(e.epochs), *scores, f"{e.seconds:.0f}", e.stopped)
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = tuple("-" * width for width in widths)
    return "".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |\n"
        for line in (lines[0], rule, *lines[1:])
    )
