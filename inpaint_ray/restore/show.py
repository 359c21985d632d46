"""The least certain repairs of a restoration: a table, and the sound before and after each.

python -m inpaint_ray.restore.show restored
python -m inpaint_ray.restore.show restored --file 1968/tape.wav --count 50 --to listen
"""

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from inpaint_ray import storage
from inpaint_ray.audio.decode import Recording, join_blocks, read_stretch
from inpaint_ray.audio.encode import encode
from inpaint_ray.errors import SOME_FAILED, AudioDecodeError, UnreadableError, UsageError
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.names import one_line, printable
from inpaint_ray.restore.config import ShowConfig
from inpaint_ray.restore.formats import choose_target, convert
from inpaint_ray.restore.gap_table import GAPS, TABLE_SCHEMA
from inpaint_ray.restore.manifest import FOLDER, ManifestRow, manifest_rows, read_manifest
from inpaint_ray.restore.replaced import put_back, read_replaced
from inpaint_ray.terminal import say

AROUND_S = 1.0  # of sound on either side of a repair in its excerpts
LONGEST_NAME = 80  # characters of a file's name in that of an excerpt
MOST_CHANNELS = 32  # rows of one repair that are looked at, at most
HEADING = ("", "expected", "", "length", "kind", "before", "after", "at", "channel", "file")
UNITS = ("", "dB", "", "ms", "", "dB", "dB", "s", "", "")


def show(config: ShowConfig) -> int:
    """Print the table, write the excerpts, and return the exit code.

    Raises:
        UsageError: there is no finished restoration, or no repair.
    """
    config = replace(config, output=storage.absolute(config.output), to=storage.absolute(config.to))
    found = read_manifest(config.output)
    if found is None:
        raise UsageError(f"--output {config.output}: no restoration there, or one that was not finished")
    rows = {row.name: row for row in manifest_rows(found[0])}
    if config.file is not None and config.file not in rows:
        raise UsageError(f"--file {config.file}: no such file in the manifest; names are as in the input")
    repairs = riskiest(_read_gaps(config), config.count)
    if not repairs:
        where = f" in {config.file}" if config.file else ""
        raise UsageError(f"--output {config.output}: nothing was filled{where}")
    say(to_table(repairs))
    ledger = Ledger(config.output, FOLDER)
    num_failed = 0
    for number, repair in enumerate(repairs, start=1):
        try:
            _write_excerpts(config, ledger, rows[repair["name"]], number, repair)
        except (FileNotFoundError, AudioDecodeError, UnreadableError, PermissionError, ValueError) as error:
            num_failed += 1
            say(f"no excerpts of {number}, {printable(repair['name'])}: {one_line(str(error))}")
    say(f"before and after of each: {config.to}" + (f"; {num_failed} failed" if num_failed else ""))
    return SOME_FAILED if num_failed else 0


def riskiest(gaps: pa.Table, count: int) -> list[dict[str, Any]]:
    """Return the least certain repairs: rows of the table of gaps, those of several channels together.

    They are ordered by expected SNR, then by confidence; those of which nobody knows come last. What was left silent or
    taken back is no repair.
    """
    filled = gaps.filter(pc.invert(pc.is_in(gaps["method"], pa.array(["", "silence"]))))
    keys = [("expected_snr_db", "ascending"), ("confidence", "ascending")]
    ordered = filled.sort_by([*keys, ("name", "ascending"), ("start", "ascending"), ("channel", "ascending")])
    repairs: dict[tuple[str, int, int], dict[str, Any]] = {}
    for row in ordered.slice(0, count * MOST_CHANNELS).to_pylist():
        place = (row["name"], row["start"], row["stop"])
        if place in repairs:
            repairs[place]["channels"].append(row["channel"])
        elif len(repairs) < count:
            repairs[place] = row | {"channels": [row["channel"]]}
    return list(repairs.values())


def to_table(repairs: Iterable[dict[str, Any]]) -> str:
    """Format repairs for a terminal, a line each."""
    lines = [HEADING, UNITS]
    for number, row in enumerate(repairs, start=1):
        expected = row["expected_snr_db"]
        lines.append(
            (
                str(number),
                "unknown" if expected is None else f"{expected:.1f}",
                row["trust"],
                f"{1000 * row['seconds']:.1f}",
                row["kind"],
                f"{row['level_before_db']:.1f}",
                f"{row['level_after_db']:.1f}",
                f"{row['start_s']:.3f}",
                "+".join(map(str, sorted(row["channels"]))),
                printable(row["name"]),
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = {2, 4, 8, 9}  # columns of words
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _read_gaps(config: ShowConfig) -> pa.Table:
    uri = storage.join(config.output, GAPS)
    try:
        with storage.local_file(uri) as path:
            table = pq.read_table(path, columns=TABLE_SCHEMA.names)
    except FileNotFoundError:
        raise UsageError(f"{uri}: missing; run the restoration again to make it") from None
    except (pa.ArrowException, ValueError) as error:
        raise UsageError(f"{uri}: damaged, or of another version; run the restoration again") from error
    return table if config.file is None else table.filter(pc.equal(table["name"], config.file))


def _write_excerpts(config: ShowConfig, ledger: Ledger, row: ManifestRow, number: int, repair: dict[str, Any]) -> None:
    """Write the sound before and after: the former with the record's original samples put back."""
    around = round(AROUND_S * row.sample_rate)
    first, last = max(repair["start"] - around, 0), repair["stop"] + around
    with storage.local_file(storage.join(config.output, row.output)) as path:
        after = read_stretch(path, first, last)
    gaps = (
        gap | {"start": gap["start"] - first, "stop": gap["stop"] - first}
        for gap in read_replaced(ledger, row)
        if gap["start"] < last and gap["stop"] > first
    )
    before = join_blocks(list(put_back(iter([after]), gaps)))
    target = choose_target(after, after.num_samples, "wav")
    shown = printable(row.name).replace("/", "_")[-LONGEST_NAME:]
    for what, sound in (("before", before), ("after", after)):
        name = f"{number:02d} {repair['trust'] or 'unknown'} {shown} {repair['start_s']:.3f}s {what}.wav"
        storage.write_bytes(storage.join(config.to, name), encode(_finite(convert(sound, target))))


def _finite(sound: Recording) -> Recording:
    """Replace samples that are not finite by zero, as players need."""
    if sound.samples.dtype == np.int32:
        return sound
    return replace(sound, samples=np.nan_to_num(sound.samples, posinf=0.0, neginf=0.0))


if __name__ == "__main__":
    from inpaint_ray.command_line import run

    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        sys.argv.insert(1, "--output")
    run("show", __doc__)
