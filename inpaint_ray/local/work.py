"""The repair of one file, by the same code that restores each file of an archive."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from inpaint_ray.errors import StorageError
from inpaint_ray.ledger.records import RecordWriter
from inpaint_ray.local.config import RepairConfig
from inpaint_ray.local.plan import Task
from inpaint_ray.names import one_line, to_path
from inpaint_ray.restore.manifest import ManifestRow
from inpaint_ray.restore.restorer import Restorer

UNFINISHED = ".inpaint-"  # begins the name of a folder beside an output, which has what is still being written

Watch = Callable[[float], None]  # called with the second up to which a file is filled


@dataclass(frozen=True)
class Outcome:
    """The outcome of one file."""

    row: ManifestRow  # `output` is as the restoration names it
    words: Counter[str] = field(default_factory=Counter)  # of trust -> fills
    path: str = ""  # of what was written; "" for nothing


class _Notes(RecordWriter):
    """A record that keeps the trust in each fill, and no samples."""

    def __init__(self, watch: Watch | None) -> None:
        self.entries = []
        self.name = ""
        self.words: Counter[str] = Counter()
        self._watch = watch

    def add(self, row: dict[str, Any]) -> None:
        """Count a gap, a row of the table of gaps."""
        self.words[row["trust"]] += 1
        if self._watch is not None:
            self._watch(row["start_s"] + row["seconds"])


class Repairer:
    """A repairer of files; a process has one, with its network."""

    def __init__(self, config: RepairConfig) -> None:
        self._overwrite = config.overwrite
        self._restorer = Restorer(config.as_restoration("input"), model="")

    def __call__(self, task: Task, watch: Watch | None = None) -> Outcome:
        """Repair a file; one that cannot be read or written is a failed row."""
        known = task.target(task.source.name)
        if known.exists() and not self._overwrite:
            return failed(task, f"{known} is there already; --overwrite replaces it")
        try:
            os.makedirs(task.folder, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=task.folder) as folder:
                return self._repair(task, folder, watch)
        except StorageError as error:  # which names the file that it could not write
            return failed(task, str(error))
        except OSError as error:
            return failed(task, f"{task.folder}: cannot be written: {error.strerror or error}")

    def _repair(self, task: Task, folder: str, watch: Watch | None) -> Outcome:
        notes = _Notes(watch)
        self._restorer.config = replace(self._restorer.config, output=folder)
        row = ManifestRow(**self._restorer(task.source, None, notes).row)
        if row.status == "failed" or (task.beside and not row.gap_rows):
            return Outcome(row)
        written, target = Path(folder, to_path(row.output)), task.target(row.output)
        if target.exists() and not self._overwrite:
            return failed(task, f"{target} is there already; --overwrite replaces it")
        target.parent.mkdir(parents=True, exist_ok=True)
        if row.removed:
            removed = target.with_name(Path(to_path(row.removed)).name)
            if removed.exists() and not self._overwrite:
                return failed(task, f"{removed} is there already; --overwrite replaces it")
            os.replace(Path(folder, to_path(row.removed)), removed)
        os.replace(written, target)
        return Outcome(row, notes.words, str(target))


def failed(task: Task, reason: str) -> Outcome:
    """Return the outcome of a file that could not be repaired."""
    source = task.source
    return Outcome(
        ManifestRow(name=source.name, source_size=source.size, method="", settings="", error=one_line(reason))
    )
