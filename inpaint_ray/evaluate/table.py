"""Sums of tracks -> a table: a row for each genre and one for all, a column for each method."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from inpaint_ray.evaluate.score import TrackScores

ALL = "all"


@dataclass(frozen=True)
class TableRow:
    """Means over the patches of a genre, or of all."""

    genre: str
    tracks: int
    patches: int  # that count
    infinite: int  # left out
    means: dict[str, float]  # "METHOD psnr", "METHOD nrmse" -> mean

    def gain(self, method: str) -> float:
        """DB PSNR over the damaged input."""
        return self.means[f"{method} psnr"] - self.means["damaged psnr"]


def tabulate(tracks: list[TrackScores]) -> list[TableRow]:
    """A row for each genre by name, and `all` last."""
    by_genre: dict[str, list[TrackScores]] = defaultdict(list)
    for track in tracks:
        by_genre[track.genre].append(track)
    return [_row(genre, by_genre[genre]) for genre in sorted(by_genre)] + [_row(ALL, tracks)]


def to_markdown(rows: list[TableRow], methods: list[str]) -> str:
    """An aligned Markdown table: damaged PSNR, and each method's gain in dB; the best gain of a row in bold."""
    header = ["genre", "tracks", "patches", "damaged PSNR", *(f"{method} gain" for method in methods)]
    cells = [header, ["---"] + ["--:"] * (len(header) - 1)]
    for row in rows:
        gains = [row.gain(method) for method in methods]
        shown = [f"**{gain:.2f}**" if gain == max(gains) else f"{gain:.2f}" for gain in gains]
        cells.append([row.genre, str(row.tracks), str(row.patches), f"{row.means['damaged psnr']:.2f}", *shown])
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    return (
        "\n".join(
            "| "
            + " | ".join(
                _pad(cell, width, column) for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            + " |"
            for line in cells
        )
        + "\n"
    )


def to_json(rows: list[TableRow], methods: list[str]) -> list[dict[str, Any]]:
    """The table's rows as JSON values, with the gains."""
    return [row.__dict__ | {"gains": {method: row.gain(method) for method in methods}} for row in rows]


def _row(genre: str, tracks: list[TrackScores]) -> TableRow:
    patches = sum(track.num_patches for track in tracks)
    means = {
        name: float(np.sum([track.sums[name] for track in tracks]) / patches) if patches else float("nan")
        for name in tracks[0].sums
    }
    infinite = sum(track.num_infinite for track in tracks)
    return TableRow(genre, len({track.track_id for track in tracks}), patches, infinite, means)


def _pad(cell: str, width: int, column: int) -> str:
    if set(cell) <= {"-", ":"}:
        return "-" * width if column == 0 else "-" * (width - 1) + ":"
    return cell.ljust(width) if column == 0 else cell.rjust(width)
