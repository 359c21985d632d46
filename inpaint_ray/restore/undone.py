"""Tables of an undo, _undo/manifest.parquet and gaps.parquet: its files, and the repairs that it undid.

Both are as those of the restoration; rows of files that an earlier undo wrote to the same place, and this one did not,
stay.
"""

from contextlib import ExitStack

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from inpaint_ray import storage
from inpaint_ray.restore.decisions import UNDO, Repair
from inpaint_ray.restore.gap_table import TABLE_SCHEMA
from inpaint_ray.restore.manifest import ManifestRow, completed, rows_table

UNDONE = "_undo"  # below --to
MANIFEST, GAPS = f"{UNDONE}/manifest.parquet", f"{UNDONE}/gaps.parquet"


class Undone:
    """A writer of both tables, which appear when the context ends without an error."""

    def __init__(self, to: str) -> None:
        self._to = to
        self._rows: list[ManifestRow] = []
        self._stack = ExitStack()

    def __enter__(self) -> "Undone":
        with ExitStack() as stack:
            stream = stack.enter_context(storage.open_output(storage.join(self._to, GAPS)))
            self._writer = stack.enter_context(pq.ParquetWriter(stream, TABLE_SCHEMA, compression="zstd"))
            self._stack = stack.pop_all()
        return self

    def add(self, row: ManifestRow, gaps: pa.Table, taken: set[Repair] | None) -> None:
        """Note a file that was written.

        Args:
            row: of it, as it is now.
            gaps: its rows of the table of gaps.
            taken: the repairs that were taken back; None: all.
        """
        self._rows.append(row)
        columns = [gaps[name].to_pylist() for name in (*Repair._fields, "decision")]
        decisions = [
            UNDO if taken is None or Repair(*repair) in taken else decision
            for *repair, decision in zip(*columns, strict=True)
        ]
        place = TABLE_SCHEMA.get_field_index("decision")
        self._writer.write_table(gaps.set_column(place, "decision", pa.array(decisions, pa.string())))

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if kind is not None:
            self._stack.__exit__(kind, *details)  # type: ignore[arg-type]
            return
        names = pa.array([row.name for row in self._rows], pa.string())
        earlier = self._read(GAPS, TABLE_SCHEMA)
        self._writer.write_table(earlier.filter(pc.invert(pc.is_in(earlier["name"], names))))
        self._stack.close()
        rows = completed(self._read(MANIFEST, rows_table([]).schema))
        kept = rows.filter(pc.invert(pc.is_in(rows["name"], names)))
        table = pa.concat_tables([kept, rows_table(map(vars, self._rows))]).sort_by("name")
        with storage.open_output(storage.join(self._to, MANIFEST)) as stream:
            pq.write_table(table, stream, compression="zstd")

    def _read(self, name: str, schema: pa.Schema) -> pa.Table:
        """Read a table of an earlier undo; empty where there is none."""
        try:
            with storage.local_file(storage.join(self._to, name)) as path:
                return pq.read_table(path)
        except FileNotFoundError:
            return schema.empty_table()
