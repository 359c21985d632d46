"""A restoration taken back: the samples that were in the gaps, put where they were."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from inpaint_ray import storage
from inpaint_ray.audio.decode import Recording, read_blocks
from inpaint_ray.audio.encode import write_blocks
from inpaint_ray.audio.tags import copy_tags
from inpaint_ray.errors import SOME_FAILED, AudioDecodeError, FileNameError, UnreadableError, UsageError
from inpaint_ray.ledger.claims import check_apart, claim, read_claim
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import DamagedRecord, record_uri
from inpaint_ray.names import one_line, printable
from inpaint_ray.restore.config import UndoConfig
from inpaint_ray.restore.gap_table import read_gaps
from inpaint_ray.restore.manifest import FOLDER, MANIFEST, ManifestRow, manifest_rows, read_manifest
from inpaint_ray.terminal import say

UNDONE = "_undo"  # below --to: the folder of the claim


def undo(config: UndoConfig) -> int:
    """Write the files, and give the exit code.

    A restored file that is a copy of its source, because no gap in it could be filled, comes back byte for byte. Of any
    other every sample is as the source has it, bit for bit; of a lossy source, as it decodes, to the 24 bits that its
    FLAC has, or exactly with `--output-format wav`. Container, tags and name are those of the restored file.

    Raises:
        UsageError: there is no finished restoration, or no such file in it; or `--to` holds something else.
    """
    config = replace(config, output=storage.absolute(config.output), to=storage.absolute(config.to))
    check_apart("--to", config.to, "--output", config.output)
    found = read_manifest(config.output)
    if found is None:
        raise UsageError(
            f"--output {config.output}: no {MANIFEST} there; run the restoration again, which makes it anew"
        )
    rows = [row for row in manifest_rows(found[0]) if row.gaps and row.output]
    chosen = [row for row in rows if config.name in (None, row.name)]
    if not chosen:
        which = "nothing was filled" if config.name is None else f"nothing was filled in {config.name}"
        raise UsageError(f"--output {config.output}: {which}")
    check_apart("--to", config.to, "the restoration's input", read_claim(config.output, FOLDER)["input"])
    claim("--to", config.to, UNDONE, {"output": config.output})
    storage.delete_unfinished(config.to)  # of an undo that was killed
    num_failed = 0
    ledger = Ledger(config.output, FOLDER)
    for row in chosen:
        error = _undo_file(config, ledger, row)
        num_failed += bool(error)
        say(f"  {printable(row.output)}" + (f": failed: {error}" if error else ""))
    failed = f"; {num_failed} failed" if num_failed else ""
    say(f"{len(chosen) - num_failed} files as they came, in {config.to}{failed}")
    return SOME_FAILED if num_failed else 0


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


def _undo_file(config: UndoConfig, ledger: Ledger, row: ManifestRow) -> str:
    """Write one file as it came; what is wrong, or ""."""
    restored, target = storage.join(config.output, row.output), storage.join(config.to, row.output)
    if row.headroom_db:
        return f"was lowered by {row.headroom_db:g} dB, which rounds its samples; restore it without --headroom-db"
    try:
        with storage.local_file(restored) as path, storage.output_path(target) as written:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != row.sha256:
                    raise ValueError("is not what the restoration wrote; finish that first, by its command")
            if row.gap_rows == 0:
                shutil.copyfile(path, written)
            else:
                with closing(read_blocks(path)) as blocks:
                    write_blocks(written, put_back(blocks, _read_replaced(ledger, row)))
                copy_tags(path, written)
    except FileNotFoundError:
        return "is not in the output any more"
    except (AudioDecodeError, FileNameError, UnreadableError, PermissionError, ValueError) as error:
        return one_line(str(error))
    return ""


def _read_replaced(ledger: Ledger, row: ManifestRow) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file's gaps.

    Raises:
        ValueError: some are missing, or the record is.
    """
    num_rows = 0
    try:
        for table in read_gaps(ledger, row.record, {row.name}):
            num_rows += len(table)
            yield from table.to_pylist()
    except DamagedRecord as error:
        uri = record_uri(ledger.records, row.record)
        raise ValueError(f"its record {uri} is damaged or gone; restore it again from its source") from error
    if num_rows != row.gap_rows:
        raise ValueError(f"its record has {num_rows} of its {row.gap_rows} gaps; restore it again from its source")
