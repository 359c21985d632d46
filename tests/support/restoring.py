"""Whole restorations without Ray, file after file in this process, and the work of an actor on a single file."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import soundfile

from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import Entry, RecordWriter, write_record
from inpaint_ray.restore.archive import SourceFile
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.manifest import FOLDER, MANIFEST, ManifestRow, manifest_rows, read_manifest
from inpaint_ray.restore.restorer import Restorer
from inpaint_ray.restore.run import restore
from tests.support.here import here

RATE = 8000
RECORD = "record"  # of `restore_entry`


def write_damaged(path: Path, *, gaps: int = 1, first: int = 2000, seconds: float = 1.0) -> None:
    """Write two tones with gaps of 10 ms, as 16-bit samples."""
    time = np.arange(int(seconds * RATE)) / RATE
    samples = 0.3 * np.sin(2 * np.pi * 220 * time) + 0.2 * np.sin(2 * np.pi * 331 * time + 1)
    for number in range(gaps):
        samples[first + 1000 * number : first + 80 + 1000 * number] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    container = "FLAC" if path.suffix == ".flac" else "WAV"
    with path.open("wb") as file:
        soundfile.write(file, samples, RATE, format=container, subtype="PCM_16")


def restore_here(config: RestoreConfig, done: list[str] | None = None) -> int:
    """Restore an archive; the exit code. Names of the files that it works on are added to `done`."""
    call = Restorer.__call__

    def noted(restorer: Restorer, source: SourceFile, earlier: Entry | None, record: RecordWriter) -> Entry:
        if done is not None:
            done.append(source.name)
        return call(restorer, source, earlier, record)

    with here(), patch.object(Restorer, "__call__", noted):
        return restore(config)


def restore_entry(config: RestoreConfig, source: dict[str, Any], earlier: Entry | None = None) -> Entry:
    """Restore one file as an actor does, into a record of its own, and return its entry.

    Args:
        config: of the restoration.
        source: fields of the file; its fingerprint may be left out.
        earlier: what the attempt before came to.
    """
    item = SourceFile(**{"fingerprint": "f"} | source)
    with write_record(Ledger(config.output, FOLDER).records, RECORD, Restorer.schema) as record:
        record.entries.append(Restorer(config, "")(item, earlier, record))
        return record.entries[0]


def restore_file(config: RestoreConfig, source: dict[str, Any]) -> ManifestRow:
    """Restore one file as an actor does, and return its row of the manifest."""
    return ManifestRow(**restore_entry(config, source).row)


def read_rows(output: Path | str) -> list[ManifestRow]:
    """Return the rows of the manifest, in its order."""
    found = read_manifest(str(output))
    return [] if found is None else manifest_rows(found[0])


def read_statuses(output: Path) -> dict[str, str]:
    """Name of each file in the manifest -> its status."""
    return {row["name"]: row["status"] for row in pq.read_table(output / MANIFEST).to_pylist()}
