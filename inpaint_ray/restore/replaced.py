"""The original samples of gaps, read from the records and put back. Samples are (channels, n)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from inpaint_ray.audio.decode import Recording
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import DamagedRecord, record_uri
from inpaint_ray.restore.decisions import Repair
from inpaint_ray.restore.gap_table import read_gaps
from inpaint_ray.restore.manifest import ManifestRow


def put_back(blocks: Iterator[Recording], gaps: Iterator[dict[str, Any]]) -> Iterator[Recording]:
    """Put replaced samples back into consecutive blocks; gaps are rows of the table in order of their start."""
    return (whole for _, whole in put_back_some(blocks, gaps, None))


def put_back_some(
    blocks: Iterator[Recording], gaps: Iterator[dict[str, Any]], chosen: set[Repair] | None
) -> Iterator[tuple[Recording, Recording]]:
    """Yield consecutive blocks with the original samples of chosen gaps, and with those of all gaps.

    Args:
        blocks: of the restored recording.
        gaps: rows of the table, in order of their start.
        chosen: the repairs that are taken back; None: all.
    """
    waiting = next(gaps, None)
    open_gaps: list[dict[str, Any]] = []
    first = 0
    for block in blocks:
        last = first + block.num_samples
        while waiting is not None and waiting["start"] < last:
            open_gaps.append(waiting)
            waiting = next(gaps, None)
        some = whole = block.samples.copy() if open_gaps else block.samples
        if chosen is not None and open_gaps:
            some = block.samples.copy()
        for gap in open_gaps:
            start, stop = max(gap["start"], first), min(gap["stop"], last)
            values = np.frombuffer(gap["replaced"], gap["dtype"])[start - gap["start"] : stop - gap["start"]]
            whole[gap["channel"], start - first : stop - first] = values
            if chosen is not None and Repair(gap["channel"], gap["start"], gap["stop"]) in chosen:
                some[gap["channel"], start - first : stop - first] = values
        yield replace(block, samples=some), replace(block, samples=whole)
        open_gaps = [gap for gap in open_gaps if gap["stop"] > last]
        first = last


def read_replaced(ledger: Ledger, row: ManifestRow, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file's gaps.

    Args:
        ledger: of the restoration.
        row: of the file.
        columns: of the rows; None: all, with what was replaced.

    Raises:
        ValueError: some are missing, or the record is.
    """
    num_rows = 0
    try:
        for table in read_gaps(ledger, row.record, {row.name}, columns):
            num_rows += len(table)
            yield from table.to_pylist()
    except DamagedRecord as error:
        uri = record_uri(ledger.records, row.record)
        raise ValueError(f"its record {uri} is damaged or missing; restore it again from its source") from error
    if num_rows != row.gap_rows:
        raise ValueError(f"its record has {num_rows} of its {row.gap_rows} gaps; restore it again from its source")
