"""Sums of tracks -> a table: a row for each genre and one for all, a column for each method."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from inpaint_ray.evaluate.score import TrackScores
from inpaint_ray.tables import markdown_table

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
    """Damaged PSNR, and each method's gain in dB; the best gain of a row in bold."""
    header = ["genre", "tracks", "patches", "damaged PSNR", *(f"{method} gain" for method in methods)]
    lines = []
    for row in rows:
        gains = [row.gain(method) for method in methods]
        shown = [f"**{gain:.2f}**" if gain == max(gains) else f"{gain:.2f}" for gain in gains]
        lines.append([row.genre, str(row.tracks), str(row.patches), f"{row.means['damaged psnr']:.2f}", *shown])
    return markdown_table(header, lines)


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
