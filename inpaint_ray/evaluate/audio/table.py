"""Tables of scores for each task and damage, with intervals over files; tasks are never averaged."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.evaluate.audio.methods import BASELINES
from inpaint_ray.evaluate.audio.score import DAMAGED, AudioScore
from inpaint_ray.evaluate.shards.table import format_p
from inpaint_ray.evaluate.statistics import Comparison, Interval, compare, mean_intervals
from inpaint_ray.tables import markdown_table

SCORES = ("snr_gap", "snr_file", "lsd", "convergence", "join_step", "visqol")
LESS_IS_BETTER = ("lsd", "convergence", "join_step")
JUDGED = ("snr_gap", "lsd")  # by which a method is compared with the baselines
TITLES = {
    "snr_gap": "SNR in the gap (dB)",
    "snr_file": "SNR over the file (dB)",
    "lsd": "LSD in the gap (dB)",
    "convergence": "spectral convergence",
    "join_step": "step at joins",
    "visqol": "ViSQOL (MOS-LQO)",
}


@dataclass(frozen=True)
class MethodRow:
    """Means of a method over files."""

    method: str
    scores: dict[str, Interval]  # of SCORES, those that were taken
    speed: float  # seconds of audio per second of work; infinite for what takes no time
    failed: int = 0  # files on which it failed: then it has no mean


@dataclass(frozen=True)
class Verdict:
    """A method against the best of the baselines, by one score; a positive difference is for the method."""

    score: str
    comparison: Comparison


@dataclass(frozen=True)
class CaseTable:
    """All methods on one task and damage, on the same files."""

    task: str
    damage: str
    files: int
    gaps: int
    lost_share: float
    methods: list[MethodRow]
    verdicts: list[Verdict]


@dataclass(frozen=True)
class FolderRow:
    """The SNR in gaps over all kinds of damage of one task, in one folder."""

    task: str
    folder: str
    files: int
    snr_gap: dict[str, Interval]  # by method


def tabulate_cases(scores: Sequence[AudioScore]) -> list[CaseTable]:
    """Tabulate each task and damage, in the order of the scores.

    A method that failed on some file has no mean there, and beats none: to leave the file out would raise the mean of
    one that fails where it would have been bad.
    """
    cases: dict[tuple[str, str], dict[str, dict[str, AudioScore]]] = defaultdict(lambda: defaultdict(dict))
    for score in scores:
        if score.method:
            cases[score.task, score.damage][score.name][score.method] = score
    tables = []
    for (task, damage), files in cases.items():
        methods = list(dict.fromkeys(method for file in files.values() for method in file))
        whole = [[file[method] for method in methods] for _, file in sorted(files.items()) if len(file) == len(methods)]
        if whole:
            tables.append(_tabulate(task, damage, methods, whole))
    return tables


def tabulate_folders(scores: Sequence[AudioScore]) -> list[FolderRow]:
    """Tabulate the SNR in gaps for each task and folder; a file counts once for each kind of damage."""
    groups: dict[tuple[str, str], list[AudioScore]] = defaultdict(list)
    for score in scores:
        if score.method:
            groups[score.task, score.folder].append(score)
    rows = []
    for (task, folder), members in sorted(groups.items()):
        names = sorted({score.name for score in members})
        intervals = {
            method: _interval_by_file([score for score in members if score.method == method], names)
            for method in dict.fromkeys(score.method for score in members)
        }
        rows.append(FolderRow(task, folder, len(names), intervals))
    return rows


def to_markdown(table: CaseTable) -> str:
    """Format every score of every method."""
    taken = list(table.methods[0].scores)
    header = ["method", *(TITLES[name] for name in taken), "x real time"]
    lines = [[row.method, *format_scores(row), format_speed(row.speed)] for row in table.methods]
    return markdown_table(header, lines)


def format_scores(row: MethodRow) -> list[str]:
    """Format the scores of a method, or that it failed."""
    return [f"failed on {row.failed}" if row.failed else str(interval) for interval in row.scores.values()]


def verdicts_to_markdown(tables: Sequence[CaseTable]) -> str:
    """Format the verdicts on all methods against the best baseline."""
    header = ["damage", "method", "score", "best baseline", "difference", "p (Wilcoxon)", "beats it"]
    lines = [
        [
            table.damage,
            verdict.comparison.method,
            TITLES[verdict.score],
            verdict.comparison.other,
            str(verdict.comparison.difference),
            format_p(verdict.comparison.p_value),
            verdict.comparison.answer,
        ]
        for table in tables
        for verdict in table.verdicts
    ]
    return markdown_table(header, lines, num_left=4)


def format_speed(speed: float) -> str:
    """Format a speed: "3.2", or "-" where no time was measured."""
    return f"{speed:.1f}" if np.isfinite(speed) and speed < 1000 else "> 1000" if speed >= 1000 else "-"


def gap_ms(damage: str) -> float | None:
    """Return the length in ms of the gaps of a damage flag; None where it has no single one."""
    kind, _, length = damage.partition(":")
    return float(length) if kind == "gap" and length and "-" not in length else None


def _tabulate(task: str, damage: str, methods: list[str], whole: list[list[AudioScore]]) -> CaseTable:
    taken = [name for name in SCORES if any(getattr(score, name) is not None for file in whole for score in file)]
    ones = np.ones(len(whole))
    values = {
        method: np.array([[_value(file[number], name) for name in taken] for file in whole])
        for number, method in enumerate(methods)
    }
    rows = []
    for number, method in enumerate(methods):
        done = [file[number] for file in whole if not file[number].error]
        wall_s, seconds = sum(score.wall_s for score in done), sum(score.seconds for score in done)
        intervals = dict(zip(taken, mean_intervals(values[method], ones), strict=True))
        speed = seconds / wall_s if wall_s else float("inf")
        rows.append(MethodRow(method, intervals, speed, len(whole) - len(done)))
    first = [file[0] for file in whole]
    verdicts = [
        Verdict(name, comparison)
        for name in JUDGED
        for comparison in _judge({method: _sign(name) * each[:, taken.index(name)] for method, each in values.items()})
    ]
    lost_share = sum(score.lost_s for score in first) / sum(score.seconds for score in first)
    return CaseTable(task, damage, len(whole), sum(score.num_gaps for score in first), lost_share, rows, verdicts)


def _judge(values: dict[str, NDArray[np.float64]]) -> list[Comparison]:
    """Judge every method that is no baseline against the best baseline, by means over files, (N,) each."""
    baselines = [method for method in values if method in (*BASELINES, DAMAGED)]
    if not baselines:
        return []
    best = max(baselines, key=lambda method: float(values[method].mean()))
    return [
        compare(method, best, values[method], values[best], np.ones(len(values[best])))
        for method in values
        if method not in baselines
    ]


def _value(score: AudioScore, name: str) -> float:
    """Return a score by name; infinitely bad where the method failed."""
    return -_sign(name) * np.inf if score.error else float(getattr(score, name))


def _sign(name: str) -> float:
    """Return 1 where a higher score is better, -1 where a lower one is."""
    return -1.0 if name in LESS_IS_BETTER else 1.0


def _interval_by_file(scores: list[AudioScore], names: list[str]) -> Interval:
    numbers = {name: number for number, name in enumerate(names)}
    sums, counts = np.zeros((len(names), 1)), np.zeros(len(names))
    for score in sorted(scores, key=lambda score: (score.name, score.damage)):
        sums[numbers[score.name], 0] += _value(score, "snr_gap")
        counts[numbers[score.name]] += 1
    return mean_intervals(sums, counts)[0]


def as_record(value: Any) -> Any:
    """Convert rows to JSON values, nested ones too."""
    if isinstance(value, list | tuple):
        return [as_record(each) for each in value]
    if isinstance(value, dict):
        return {name: as_record(each) for name, each in value.items()}
    return as_record(value.__dict__) if hasattr(value, "__dict__") else value
