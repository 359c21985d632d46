"""What became of an archive, from its manifest: for the last lines of the job and for the page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from inpaint_ray.progress import MOST_LINES, failure_lines, format_duration
from inpaint_ray.restore.manifest import ManifestRow, manifest_rows

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
        """Counts of events by kind, the most frequent first."""
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


def most_repaired(table: pa.Table, count: int) -> list[ManifestRow]:
    """Return the files with the most audio filled."""
    repaired = table.append_column("filled_s", _filled_s(table)).filter(pc.greater(table["samples_replaced"], 0))
    ordered = repaired.sort_by([("filled_s", "descending"), ("name", "ascending")])
    return manifest_rows(ordered.slice(0, count).drop_columns("filled_s"))


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
    """Seconds of audio that were filled in each file, mean over channels."""
    per_second = pc.multiply(table["sample_rate"], table["channels"])
    return pc.divide(pc.cast(table["samples_replaced"], pa.float64()), pc.max_element_wise(per_second, 1))
