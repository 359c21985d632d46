"""The summary of an archive's manifest: for the job's last lines, for the page and for machines."""

import heapq
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from inpaint_ray.progress import MOST_LINES, failure_lines, format_duration
from inpaint_ray.restore.audit import UNKNOWN, Audit, Share
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.manifest import FOLDER, ManifestRow, manifest_rows
from inpaint_ray.restore.verdict import VERDICTS, Losses, TransferRule, judge, severity
from inpaint_ray.version import VERSION

SUMMARY = f"{FOLDER}/summary.json"
FORMAT = 1  # of summary.json
WORDS = ("sure", "likely", "guess", UNKNOWN)  # of trust, in the order of the page
MOST_LISTED = 10_000  # files to transfer again, in summary.json
ROWS_AT_ONCE = 4_096  # of the manifest

WOULD_BE = {  # in a dry run
    "failed": "failed",
    "partly": "to restore in part",
    "restored": "to restore",
    "unchanged": "without gaps",
}
STATUSES = ("failed", "partly", "restored", "unchanged")  # in the order of lines and page


@dataclass(frozen=True)
class Summary:
    """Sums over a manifest."""

    files: int
    counts: dict[str, int]  # by status
    gaps: int
    filled_s: float  # seconds of audio, mean over channels
    seconds: float
    kinds: dict[str, int]  # events, each channel's by itself

    def to_text(self, *, dry: bool = False) -> str:
        """Format for the job's last lines."""
        words = WOULD_BE if dry else dict(zip(STATUSES, STATUSES, strict=True))
        counts = ", ".join(f"{self.counts[status]} {words[status]}" for status in STATUSES)
        whole = format_duration(self.seconds)
        return (
            f"{self.files} files: {counts}\n"
            f"{self.gaps} gaps, {self.filled_s:.2f}s {'to fill' if dry else 'filled'} in {whole} of audio"
            + (f"\nevents: {self.kinds_text}" if self.kinds else "")
        )

    @property
    def kinds_text(self) -> str:
        """Format the counts of events by kind, the most frequent first."""
        ordered = sorted(self.kinds.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count} {kind}" for kind, count in ordered)


def summarise(table: pa.Table) -> Summary:
    """Sum up a manifest."""
    found = {str(each["values"]): each["counts"] for each in table["status"].value_counts().to_pylist()}
    kinds: Counter[str] = Counter()
    for each in table["kinds"].to_pylist():
        kinds.update(dict(each or ()))
    return Summary(
        files=len(table),
        counts={status: found.get(status, 0) for status in STATUSES},
        gaps=pc.sum(table["gaps"]).as_py() or 0,
        filled_s=pc.sum(_filled_s(table)).as_py() or 0.0,
        seconds=pc.sum(table["seconds"]).as_py() or 0.0,
        kinds=dict(kinds),
    )


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on all files, and the files that should be transferred again, the worst first."""

    counts: dict[str, int]
    worst: list[ManifestRow]


def judge_files(table: pa.Table, rule: TransferRule, most: int = MOST_LISTED) -> Verdicts:
    """Judge all files of a manifest, and list at most so many of those to transfer again."""
    counts: dict[str, int] = dict.fromkeys(VERDICTS, 0)
    damaged = table.filter(pc.or_(pc.greater(table["gaps"], 0), pc.equal(table["status"], "failed")))
    counts["good"] = len(table) - len(damaged)

    def to_transfer() -> Iterator[ManifestRow]:
        for start in range(0, len(damaged), ROWS_AT_ONCE):
            for row in manifest_rows(damaged.slice(start, ROWS_AT_ONCE)):
                verdict, _ = judge(row, rule)
                counts[verdict] += 1
                if verdict == "transfer again":
                    yield row

    worst = heapq.nlargest(most, to_transfer(), key=lambda row: severity(row, rule))
    return Verdicts(counts, worst)


def to_json(config: RestoreConfig, summary: Summary, audit: Audit, verdicts: Verdicts) -> str:
    """Format summary.json, which docs/page.md describes."""
    rule = {
        name.removeprefix("transfer_"): value if math.isfinite(value) else None
        for name, value in asdict(config.transfer).items()
    }
    hours = summary.seconds / 3600
    values: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "input": config.input,
        "output": config.output,
        "method": config.method,
        "checkpoint": config.checkpoint,
        "files": summary.files,
        "status": summary.counts,
        "seconds": _rounded(summary.seconds),
        "seconds_filled": _rounded(summary.filled_s),
        "lost_percent": _rounded(100 * summary.filled_s / summary.seconds) if summary.seconds else 0.0,
        "gaps": summary.gaps,
        "gaps_per_hour": _rounded(summary.gaps / hours) if hours else 0.0,
        "repairs": audit.repairs,
        "trust": {word: _share(audit.by_trust.get(word)) for word in WORDS},
        "kinds": {kind: _share(share) for kind, share in sorted(audit.by_kind.items())},
        "events": summary.kinds,
        "verdicts": verdicts.counts,
        "transfer_again_where_above": rule,
        "transfer_again": [
            {"name": row.name, **{name: _rounded(value) for name, value in asdict(Losses.of(row)).items()}}
            for row in verdicts.worst
        ],
    }
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def _share(share: Share | None) -> dict[str, float]:
    return {"repairs": share.repairs, "seconds": _rounded(share.seconds)} if share else {"repairs": 0, "seconds": 0.0}


def _rounded(value: float) -> float:
    """Round to digits on which sums in any order agree."""
    return round(value, 6)


def first_rows(table: pa.Table, statuses: Sequence[str], count: int) -> list[ManifestRow]:
    """Return some rows, in the order of these statuses and then of name."""
    rows: list[ManifestRow] = []
    for status in statuses:
        chosen = table.filter(pc.equal(table["status"], status)).slice(0, count - len(rows))
        rows += manifest_rows(chosen)
    return rows


def failures_to_text(table: pa.Table) -> str:
    """Format the failed files for the job's last lines."""
    rows = first_rows(table, ("failed",), MOST_LINES)
    return failure_lines(
        [(row.name, row.error) for row in rows], summarise(table).counts["failed"], "the manifest has all"
    )


def _filled_s(table: pa.Table) -> pa.ChunkedArray:
    """Compute the seconds of audio that were filled in each file, mean over channels."""
    per_second = pc.multiply(table["sample_rate"], table["channels"])
    return pc.divide(pc.cast(table["samples_replaced"], pa.float64()), pc.max_element_wise(per_second, 1))
