"""Dry runs: the gaps of every file as label tracks, and its expected outcome."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from inpaint_ray import storage
from inpaint_ray.finding.labels import write_labels
from inpaint_ray.ledger.spread import spread
from inpaint_ray.ledger.worker import deal_rows, items_of
from inpaint_ray.progress import Progress
from inpaint_ray.restore.archive import SourceFile, output_name
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.manifest import ManifestRow, rows_table
from inpaint_ray.restore.restorer import MEMORY_GIB, start_row, try_file
from inpaint_ray.restore.survey import describe, survey_file


class DryRunner:
    """A worker that finds the gaps of files and writes label tracks; the state of a Ray Data actor."""

    def __init__(self, config: RestoreConfig, model: str) -> None:
        self.config, self.model = config, model

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Search a block of files for gaps; returns their rows as JSON."""
        rows = [asdict(self.examine(source)) for source in items_of(row, SourceFile)]
        return {"items": len(rows), "rows": json.dumps(rows)}

    def examine(self, source: SourceFile) -> ManifestRow:
        """Find the gaps of a file, write its label track, and return the row that a restoration would give."""
        start = start_row(source, self.config, self.model)
        return try_file(source, start, lambda path: self._examine(path, source, start))[0]

    def _examine(self, path: Path, source: SourceFile, start: ManifestRow) -> ManifestRow:
        output_name(source)
        survey = survey_file(path, source.labels, self.config)
        if survey.gaps:
            text = write_labels(survey.gaps, len(survey.sound.samples), survey.sound.sample_rate)
            storage.write_bytes(storage.join(self.config.output, f"{source.name}.txt"), text.encode())
        return describe(start, survey)


def dry_run(config: RestoreConfig, files: Sequence[SourceFile], model: str) -> pa.Table:
    """Search files for gaps over the cluster, and return the rows of the manifest that they would get."""
    blocks = deal_rows(files)
    pool = config.actors.pool(len(blocks), memory_gib=MEMORY_GIB)
    progress = Progress("dry run", len(files), "files")
    rows: list[dict[str, Any]] = []
    for result in spread(blocks, DryRunner, fn_constructor_kwargs={"config": config, "model": model}, **pool):
        rows += json.loads(result["rows"])
        progress.add(result["items"])
    return rows_table(rows)
