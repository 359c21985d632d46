"""Whole restorations without Ray: the same plan, actor and end, file after file in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from inpaint_ray.restore.archive import SourceFile
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.manifest import MANIFEST, ManifestRow
from inpaint_ray.restore.restorer import Restorer
from inpaint_ray.restore.run import restore

RATE = 8000


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

    def run(config: RestoreConfig, todo: list[SourceFile], shown: object = None) -> list[ManifestRow]:
        rows = pa.Table.from_pylist([asdict(source) for source in todo]).to_pylist()  # as Ray Data carries them
        if done is not None:
            done.extend(row["name"] for row in rows)
        restorer = Restorer(config)
        return [ManifestRow(**restorer(row)) for row in rows]

    with patch("inpaint_ray.restore.run._run", run), undrawn():
        return restore(config)


@contextmanager
def undrawn() -> Iterator[None]:
    """Leave out the pictures of the report, which take longer than all the rest."""
    with patch("inpaint_ray.restore.report.draw_spectrograms", lambda *arguments: b""):
        yield


def read_statuses(output: Path) -> dict[str, str]:
    """Name of each file in the manifest -> its status."""
    return {row["name"]: row["status"] for row in pq.read_table(output / MANIFEST).to_pylist()}
