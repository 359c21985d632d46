"""A restoration taken back: the samples that were in the gaps, put where they were."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inpaint_ray import storage
from inpaint_ray.audio.decode import Recording, read_blocks
from inpaint_ray.audio.encode import write_blocks
from inpaint_ray.audio.tags import copy_tags
from inpaint_ray.errors import UsageError
from inpaint_ray.restore.gap_table import GAPS, read_gaps
from inpaint_ray.restore.manifest import read_manifest


@dataclass(frozen=True, kw_only=True)
class UndoConfig:
    """Write restored files with the samples in their gaps as they came."""

    output: str
    """Folder or bucket prefix that a restoration was written to."""
    to: str
    """Folder or bucket prefix for the files as they came, under their names in the output."""
    name: str | None = None
    """One file's name in the input, such as 1968/tape.wav; default: every file that has filled gaps."""

    def __post_init__(self) -> None:
        if storage.absolute(self.to) == storage.absolute(self.output):
            raise ValueError(f"--to {self.to} is the output itself; give another folder")


def undo(config: UndoConfig) -> None:
    """Write the files; a lossless one has every sample of its source, a lossy one what it decodes to.

    Raises:
        UsageError: there is no finished restoration, or no such file in it.
    """
    rows = [row for row in read_manifest(config.output) or [] if row.gaps and row.output]
    chosen = [row for row in rows if config.name in (None, row.name)]
    if not chosen:
        which = "nothing was filled" if config.name is None else f"nothing was filled in {config.name}"
        raise UsageError(f"--output {config.output}: {which}")
    with storage.local_file(storage.join(config.output, GAPS)) as table:
        for row in chosen:
            restored, target = storage.join(config.output, row.output), storage.join(config.to, row.output)
            with storage.local_file(restored) as path, storage.output_path(target) as written:
                with closing(read_blocks(path)) as blocks:
                    write_blocks(written, put_back(blocks, _replaced(table, row.name)))
                copy_tags(path, written)
            print(f"  {row.output}", flush=True)
    print(f"{len(chosen)} files as they came, in {config.to}")


def put_back(blocks: Iterator[Recording], gaps: Iterator[dict[str, Any]]) -> Iterator[Recording]:
    """Consecutive blocks with the replaced samples of the gaps, rows of the table in order of their start."""
    waiting = next(gaps, None)
    open_gaps: list[dict[str, Any]] = []
    first = 0
    for block in blocks:
        last = first + block.num_samples
        while waiting is not None and waiting["start"] < last:
            open_gaps.append(waiting)
            waiting = next(gaps, None)
        samples = block.samples.copy()
        for gap in open_gaps:
            start, stop = max(gap["start"], first), min(gap["stop"], last)
            values = np.frombuffer(gap["replaced"], gap["dtype"])
            samples[gap["channel"], start - first : stop - first] = values[start - gap["start"] : stop - gap["start"]]
        yield replace(block, samples=samples)
        open_gaps = [gap for gap in open_gaps if gap["stop"] > last]
        first = last


def _replaced(table: Path, name: str) -> Iterator[dict[str, Any]]:
    for batch in read_gaps(table, {name}):
        yield from batch.to_pylist()
