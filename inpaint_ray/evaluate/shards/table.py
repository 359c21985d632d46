"""Tables from sums of tracks: a row for each genre or class of damage, a column for each method, with intervals."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.grid import HOP_S
from inpaint_ray.evaluate.shards.score import BASELINES, RUN_EDGES, SHARE_STEPS, TrackScores
from inpaint_ray.evaluate.statistics import Comparison, Interval, compare, mean_intervals
from inpaint_ray.tables import markdown_table

ALL = "all"


@dataclass(frozen=True)
class TableRow:
    """Means over the patches of a group: a genre, a class of damage, or all."""

    group: str
    tracks: int
    patches: int  # scored
    silent: int  # left out: nothing but silence was lost in them
    failed: dict[str, int]  # method -> patches for which its output is not finite
    means: dict[str, float]  # "METHOD psnr", "METHOD nrmse" -> mean
    gains: dict[str, Interval]  # method -> dB PSNR over the damaged input, with its interval over tracks
    comparisons: tuple[Comparison, ...]  # of each method with every one before it, in dB PSNR

    def gain(self, method: str) -> float:
        """Return the gain in dB PSNR over the damaged input; minus infinity for a method that failed on some patch."""
        return self.gains[method].mean

    def format_gain(self, method: str) -> str:
        """Format the gain, or the number of patches on which the method failed."""
        return f"failed on {self.failed[method]}" if self.failed[method] else str(self.gains[method])

    def is_best(self, method: str) -> bool:
        """Return True if no gain is larger; False for all where there is no gain at all."""
        best = max((gain.mean for gain in self.gains.values() if math.isfinite(gain.mean)), default=math.nan)
        return self.gain(method) == best


def tabulate(tracks: Sequence[TrackScores]) -> list[TableRow]:
    """Tabulate genres by name, and `all` last; the same whatever the order of the tracks."""
    return _rows(tracks, lambda track: track.genre, str) + [_row(ALL, tracks)]


def tabulate_shares(tracks: Sequence[TrackScores]) -> list[TableRow]:
    """Tabulate classes of the share of lost frames."""
    return _rows(tracks, lambda track: track.share, share_label)


def tabulate_runs(tracks: Sequence[TrackScores]) -> list[TableRow]:
    """Tabulate classes of the longest run of lost frames: of the gap, where the damage is one gap."""
    return _rows(tracks, lambda track: track.run, run_label)


def share_label(share: int) -> str:
    """Return the label of a class of shares, such as "10-20 %"."""
    step = 100 // SHARE_STEPS
    return f"{share * step}-{(share + 1) * step} %"


def run_label(run: int) -> str:
    """Return the label of a class of runs, lost frames times the hop, such as "16-28 ms"."""
    hop_ms = round(1e3 * HOP_S)
    following = [edge for edge in RUN_EDGES if edge > run]
    return f"{run * hop_ms}-{(following[0] - 1) * hop_ms} ms" if following else f">= {run * hop_ms} ms"


def methods_of(tracks: Sequence[TrackScores]) -> list[str]:
    """Return every method that was scored, without the damaged input; baselines first."""
    names = [name.removesuffix(" psnr") for name in tracks[0].sums if name.endswith(" psnr")]
    return sorted((name for name in names if name != "damaged"), key=lambda name: name not in BASELINES)


def to_markdown(rows: list[TableRow], methods: list[str], *, group: str = "genre") -> str:
    """Format damaged PSNR and each method's gain in dB with its interval; the best gain of a row in bold.

    A method has no gain in a row where it failed on some patch.
    """
    header = [group, "tracks", "patches", "damaged PSNR", *(f"{method} gain" for method in methods)]
    lines = []
    for row in rows:
        texts = ((method, row.format_gain(method)) for method in methods)
        gains = [f"**{text}**" if row.is_best(method) else text for method, text in texts]
        lines.append([row.group, str(row.tracks), str(row.patches), f"{row.means['damaged psnr']:.2f}", *gains])
    return markdown_table(header, lines)


def comparisons_to_markdown(comparisons: Sequence[Comparison]) -> str:
    """Format paired differences, with their p-values."""
    header = ["method", "against", "difference", "p (Wilcoxon)", "beats it"]
    lines = [[c.method, c.other, str(c.difference), format_p(c.p_value), c.answer] for c in comparisons]
    return markdown_table(header, lines, num_left=2)


def format_p(p_value: float) -> str:
    """Format a p-value: "0.03", "< 0.001", or "-" where there is none."""
    if math.isnan(p_value):
        return "-"
    return f"{p_value:.3f}" if p_value >= 0.001 else "< 0.001"


def to_json(rows: list[TableRow]) -> list[dict[str, Any]]:
    """Convert the table's rows to JSON values, NaN to null."""
    return [finite(asdict(row)) for row in rows]


def finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not know, by null."""
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rows(
    tracks: Sequence[TrackScores], group_of: Callable[[TrackScores], Any], label: Callable[[Any], str]
) -> list[TableRow]:
    groups: dict[Any, list[TrackScores]] = defaultdict(list)
    for track in tracks:
        groups[group_of(track)].append(track)
    return [_row(label(group), groups[group]) for group in sorted(groups)]


def _row(group: str, tracks: Sequence[TrackScores]) -> TableRow:
    counts, sums = _sum_by_track(tracks)
    patches = int(counts.sum())
    methods = methods_of(tracks)
    failed = {method: int(sums.pop(f"{method} failed").sum()) for method in ("damaged", *methods)}
    means = {name: float(column.sum() / patches) if patches else math.nan for name, column in sums.items()}
    gained = {method: sums[f"{method} psnr"] - sums["damaged psnr"] for method in methods}
    intervals = mean_intervals(np.stack(list(gained.values()), axis=1), counts)
    return TableRow(
        group=group,
        tracks=len(counts),
        patches=patches,
        silent=sum(track.num_silent for track in tracks),
        failed=failed,
        means=means,
        gains=dict(zip(methods, intervals, strict=True)),
        comparisons=tuple(
            compare(method, other, gained[method], gained[other], counts) for other, method in combinations(methods, 2)
        ),
    )


def _sum_by_track(tracks: Sequence[TrackScores]) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Sum by track: patches, (N,), and each score, (N,) each, in an order that does not depend on workers."""
    names = list(tracks[0].sums)
    ordered = sorted(tracks, key=lambda track: (track.track_id, track.share, track.run, *track.sums.values()))
    numbers = {track_id: number for number, track_id in enumerate(dict.fromkeys(t.track_id for t in ordered))}
    table = np.zeros((len(numbers), 1 + len(names)))
    for track in ordered:
        table[numbers[track.track_id]] += (track.num_patches, *(track.sums[name] for name in names))
    return table[:, 0], dict(zip(names, table[:, 1:].T, strict=True))
