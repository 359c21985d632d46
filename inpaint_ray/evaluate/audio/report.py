"""Results of an evaluation on audio: results.json, results.md, results.html, scores.parquet and sounds to play."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from inpaint_ray import storage
from inpaint_ray.evaluate.audio.listening import Example
from inpaint_ray.evaluate.audio.score import AudioScore
from inpaint_ray.evaluate.audio.table import (
    TITLES,
    CaseTable,
    FolderRow,
    as_record,
    format_scores,
    format_speed,
    gap_ms,
    tabulate_cases,
    tabulate_folders,
    to_markdown,
    verdicts_to_markdown,
)
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.page import write_results
from inpaint_ray.evaluate.plots import draw_bars, draw_lines
from inpaint_ray.evaluate.shards.table import format_p
from inpaint_ray.evaluate.statistics import FEWEST_TRACKS
from inpaint_ray.pages.templates import data_uri

SCORES_FILE = "scores.parquet"
MOST_FAILED = 100  # on the page; scores.parquet has all


@dataclass(frozen=True)
class TaskResults:
    """All results of one task."""

    task: str
    cases: list[CaseTable]
    folders: list[FolderRow]

    @property
    def gaps(self) -> list[CaseTable]:
        """Return the cases whose gaps have one length, the shortest first."""
        return sorted((c for c in self.cases if gap_ms(c.damage) is not None), key=lambda c: gap_ms(c.damage) or 0.0)


def gather(scores: Sequence[AudioScore]) -> list[TaskResults]:
    """Tabulate the scores of each task."""
    cases, folders = tabulate_cases(scores), tabulate_folders(scores)
    return [
        TaskResults(task, [c for c in cases if c.task == task], [f for f in folders if f.task == task])
        for task in dict.fromkeys(case.task for case in cases)
    ]


def write_scores(output: str, scores: Sequence[AudioScore]) -> None:
    """Write scores.parquet: a row for each file, task, damage and method."""
    with storage.open_output(storage.join(output, SCORES_FILE)) as stream:
        pq.write_table(pa.Table.from_pylist([asdict(score) for score in scores]), stream)


def write_audio_report(
    config: EvaluateConfig,
    tasks: list[TaskResults],
    scores: Sequence[AudioScore],
    examples: Sequence[Example] = (),
    *,
    architecture: str,
) -> None:
    """Write results.json, results.md and results.html.

    Args:
        config: of the run, with its damage and methods named.
        tasks: the tables.
        scores: all of them, errors too.
        examples: what there is to listen to, whose sounds are written already.
        architecture: of the checkpoint; "" without one.
    """
    failed = [score for score in scores if score.error]
    write_results(
        config.output,
        record=_to_record(config, tasks, failed, examples, architecture),
        text=_to_text(config, tasks, failed),
        template="audio.html.jinja",
        config=config,
        architecture=architecture,
        tasks=[(task, _draw_gaps(task), _draw_folders(task)) for task in tasks],
        titles=TITLES,
        failed=failed[:MOST_FAILED],
        num_failed=len(failed),
        examples=examples,
        format_p=format_p,
        format_speed=format_speed,
        format_scores=format_scores,
        fewest_files=FEWEST_TRACKS,
    )


def _to_record(
    config: EvaluateConfig,
    tasks: list[TaskResults],
    failed: list[AudioScore],
    examples: Sequence[Example],
    architecture: str,
) -> dict[str, Any]:
    """Return the content of results.json, without its format.

    `tasks`: samples, columns -> `cases`, one for each damage, and `folders`. A case has `methods`, whose `scores` are
    means over files with the low and high end of the 95 % interval (null for one that `failed` on some files), and
    `verdicts` against the best baseline, in which a positive difference is for the method. `failed`: files, cases and
    methods without a score, the first hundred.
    """
    return {
        "task": "audio",
        "data": config.data,
        "seconds": config.seconds,
        "seed": config.seed,
        "damage": config.damage,
        "methods": config.methods,
        "checkpoint": {"uri": config.checkpoint[0], "architecture": architecture} if config.checkpoint else None,
        "tasks": {task.task: {"cases": as_record(task.cases), "folders": as_record(task.folders)} for task in tasks},
        "num_failed": len(failed),
        "failed": [
            {name: getattr(score, name) for name in ("name", "task", "damage", "method", "error")}
            for score in failed[:MOST_FAILED]
        ],
        "examples": as_record(examples),
    }


def _to_text(config: EvaluateConfig, tasks: list[TaskResults], failed: list[AudioScore]) -> str:
    parts = [f"{config.data}: {config.seconds:g} s of each file, mono; means over files with the 95 % interval."]
    for task in tasks:
        parts.append(f"# Task {task.task}")
        for case in task.cases:
            lost = f"{100 * case.lost_share:.1f} % lost in {case.gaps} gaps of {case.files} files"
            parts += [f"{case.damage}: {lost}", to_markdown(case)]
        if any(case.verdicts for case in task.cases):
            parts += [f"Against the best baseline, task {task.task}:", verdicts_to_markdown(task.cases)]
    if failed:
        parts.append(f"{len(failed)} files or cases have no score:")
        parts.append("\n".join(f"- {s.name} {s.task} {s.damage} {s.method}: {s.error}" for s in failed[:MOST_FAILED]))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _draw_gaps(task: TaskResults) -> str:
    """Draw SNR and log-spectral distance against gap length; "" where there are fewer than two lengths."""
    if len(task.gaps) < 2:
        return ""
    values = {
        row.method: [case.methods[number].scores["snr_gap"] for case in task.gaps]
        for number, row in enumerate(task.gaps[0].methods)
    }
    lengths = [f"{gap_ms(case.damage):g}" for case in task.gaps]
    return data_uri("image/png", draw_lines(lengths, values, along="gap length (ms)", quantity=TITLES["snr_gap"]))


def _draw_folders(task: TaskResults) -> str:
    methods = list(dict.fromkeys(method for row in task.folders for method in row.snr_gap))
    rows = [row for row in task.folders if len(row.snr_gap) == len(methods)]
    values = {method: [row.snr_gap[method] for row in rows] for method in methods}
    return data_uri("image/png", draw_bars([row.folder for row in rows], values, quantity=TITLES["snr_gap"]))
