"""Results of an evaluation on shards: results.json for programs, results.md and results.html for people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inpaint_ray.data.schema import Dataset
from inpaint_ray.evaluate.page import write_results
from inpaint_ray.evaluate.plots import draw_bars, draw_lines
from inpaint_ray.evaluate.shards.published import Published, is_fma, published_figures
from inpaint_ray.evaluate.shards.score import TrackScores
from inpaint_ray.evaluate.shards.table import (
    TableRow,
    comparisons_to_markdown,
    format_p,
    methods_of,
    tabulate,
    tabulate_runs,
    tabulate_shares,
    to_json,
    to_markdown,
)
from inpaint_ray.evaluate.statistics import FEWEST_TRACKS, Answer
from inpaint_ray.pages.templates import data_uri
from inpaint_ray.tables import markdown_table
from inpaint_ray.terminal import say

GAIN = "gain over the damaged input (dB PSNR)"
BASELINE_TITLES = {"interpolation": "linear interpolation", "wiener": "Wiener interpolation"}


@dataclass(frozen=True)
class Beside:
    """A published figure and ours of the same architecture and genre, both of the network's bare output."""

    checkpoint: str
    published: Published
    psnr: float  # ours, dB
    gain: float


@dataclass(frozen=True, kw_only=True)
class ShardResults:
    """All measurements on shards, and their settings."""

    dataset: Dataset
    split: str
    damage: tuple[str, ...]
    checkpoints: dict[str, str]  # name -> URI, in the order of the columns
    architectures: dict[str, str]  # name -> architecture
    methods: list[str]
    genres: list[TableRow]  # `all` last
    shares: list[TableRow]
    runs: list[TableRow]
    beside: list[Beside]

    @property
    def total(self) -> TableRow:
        return self.genres[-1]

    @property
    def is_fma(self) -> bool:
        return is_fma(self.dataset.source)

    def verdicts(self) -> list[tuple[Answer, str]]:
        """Return, for each checkpoint, the verdict on it against the best baseline, and a sentence."""
        return [_verdict(name, self.total) for name in self.checkpoints]


def gather(
    tracks: Sequence[TrackScores],
    *,
    dataset: Dataset,
    split: str,
    damage: tuple[str, ...],
    checkpoints: dict[str, str],
    architectures: dict[str, str],
) -> ShardResults:
    """Make every table from the scores of the tracks.

    Args:
        tracks: of every shard, in any order.
        dataset: whose patches were scored.
        split: of it.
        damage: as the flag named it.
        checkpoints: name -> URI, in the order of the columns.
        architectures: name -> architecture.
    """
    genres = tabulate(tracks)
    return ShardResults(
        dataset=dataset,
        split=split,
        damage=damage,
        checkpoints=checkpoints,
        architectures=architectures,
        methods=methods_of(tracks),
        genres=genres,
        shares=tabulate_shares(tracks),
        runs=tabulate_runs(tracks),
        beside=[pair for name in checkpoints for pair in _beside(name, architectures[name], split, genres)],
    )


def write_report(output: str, results: ShardResults) -> None:
    """Write the three files and print the first table."""
    write_results(
        output,
        record=_to_record(results),
        text=_to_text(results),
        template="shards.html.jinja",
        results=results,
        format_p=format_p,
        fewest_tracks=FEWEST_TRACKS,
        bars=_draw_genres(results),
        share_lines=_draw_classes(results.shares, results.methods, "share of lost frames"),
        run_lines=_draw_classes(results.runs, results.methods, "longest run of lost frames"),
    )
    say(_to_summary(results))


def _to_record(results: ShardResults) -> dict[str, Any]:
    """Return the content of results.json, without its format.

    `rows`, `by_share`, `by_run`: a list of groups, `all` the last of the rows; in each `group`, `tracks`, `patches`
    that count, `silent` (patches left out: nothing but silence was lost), `failed` (method: patches for which its
    output is not finite; it has no mean then), `means` ("METHOD psnr": dB), `gains` (method: mean, low and high of the
    95 % interval, dB), `comparisons` (method, other, difference with interval, p_value). `published`: the
    reference's figures beside ours. null is what cannot be told, such as an interval over two tracks.
    """
    return {
        "task": "magnitude",
        "data": results.dataset.uri,
        "data_fingerprint": results.dataset.fingerprint,
        "data_is_fma": results.is_fma,
        "split": results.split,
        "damage": results.damage,
        "scale": results.dataset.scale,
        "checkpoints": {
            name: {"uri": uri, "architecture": results.architectures[name]} for name, uri in results.checkpoints.items()
        },
        "rows": to_json(results.genres),
        "by_share": to_json(results.shares),
        "by_run": to_json(results.runs),
        "published": [
            {"checkpoint": pair.checkpoint, **pair.published.__dict__, "our_psnr": pair.psnr, "our_gain": pair.gain}
            for pair in results.beside
        ],
    }


def _to_summary(results: ShardResults) -> str:
    return _join(
        f"Gain in dB PSNR over the damaged input, split {results.split}, magnitude task, damage "
        f"{', '.join(results.damage)}; in brackets the 95 % interval over tracks.",
        to_markdown(results.genres, results.methods),
        "\n".join(sentence for _, sentence in results.verdicts()),
        f"{results.total.silent} patches in which nothing but silence was lost are left out.",
    )


def _to_text(results: ShardResults) -> str:
    parts = [
        _to_summary(results),
        "By share of lost frames:",
        to_markdown(results.shares, results.methods, group="share"),
        "By the longest run of lost frames:",
        to_markdown(results.runs, results.methods, group="run"),
        "Paired differences in dB PSNR, all genres:",
        comparisons_to_markdown(results.total.comparisons),
    ]
    if results.beside:
        parts += [f"The reference's bare outputs, as published, beside ours; {_data_note(results)}.", _besides(results)]
    return _join(*parts)


def _join(*parts: str) -> str:
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _data_note(results: ShardResults) -> str:
    return "both on FMA" if results.is_fma else "OTHER DATA: theirs is FMA, ours is not"


def _besides(results: ShardResults) -> str:
    header = ["checkpoint", "genre", "published PSNR", "our PSNR", "published gain", "our gain"]
    lines = [
        [
            pair.checkpoint,
            pair.published.genre,
            f"{pair.published.psnr:.2f}",
            f"{pair.psnr:.2f}",
            "-" if pair.published.gain is None else f"{pair.published.gain:.2f}",
            f"{pair.gain:.2f}",
        ]
        for pair in results.beside
    ]
    return markdown_table(header, lines, num_left=2)


def _beside(name: str, architecture: str, split: str, genres: list[TableRow]) -> list[Beside]:
    published = published_figures(architecture, split)
    return [
        Beside(name, published[row.group], psnr, psnr - row.means["damaged psnr"])
        for row in genres
        if row.group in published
        for psnr in [row.means[f"{name} network_psnr"]]
    ]


def _draw_genres(results: ShardResults) -> str:
    values = {method: [row.gains[method] for row in results.genres] for method in results.methods}
    return data_uri("image/png", draw_bars([row.group for row in results.genres], values, quantity=GAIN))


def _draw_classes(rows: list[TableRow], methods: list[str], along: str) -> str:
    values = {method: [row.gains[method] for row in rows] for method in methods}
    return data_uri("image/png", draw_lines([row.group for row in rows], values, along=along, quantity=GAIN))


def _verdict(name: str, total: TableRow) -> tuple[Answer, str]:
    """Judge a model against the best of the baselines; returns the answer, and a sentence."""
    if total.failed[name]:
        return "NO", f"{name} FAILED: its output is not finite on {total.failed[name]} of {total.patches} patches."
    best = max((method for method in total.gains if method in BASELINE_TITLES), key=total.gain)
    against = next(c for c in total.comparisons if (c.method, c.other) == (name, best))
    few = f" ({total.tracks} tracks are too few for an interval)" if math.isnan(against.difference.low) else ""
    bare = total.means[f"{name} network_psnr"] - total.means["damaged psnr"]
    return against.answer, (
        f"{name} {against.verb} {BASELINE_TITLES[best]}: {against.difference} dB against it{few}; its bare output, as "
        f"the paper scores it, gains {bare:.2f} dB."
    )
