from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from inpaint_ray.errors import UsageError
from inpaint_ray.restore.manifest import (
    MANIFEST,
    ROWS,
    SCHEMA,
    ManifestRow,
    delete_rows,
    read_manifest,
    read_rows,
    write_manifest,
    write_row,
)

ROW = ManifestRow(name="b/x.wav", source_size=1, method="auto", settings="s", status="restored", samples_replaced=3)


def test_the_manifest_has_every_row_by_name_and_takes_the_single_ones_away(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, name="a.wav", status="failed", error="why")]
    for row in rows:
        write_row(str(tmp_path), row)
    assert sorted(read_rows(str(tmp_path)), key=lambda row: row.name) == rows[::-1]
    write_manifest(str(tmp_path), rows)
    delete_rows(str(tmp_path))
    assert read_manifest(str(tmp_path)) == rows[::-1]
    assert read_rows(str(tmp_path)) == [] and not (tmp_path / ROWS).exists()
    assert pq.read_schema(tmp_path / MANIFEST).equals(SCHEMA)


def test_without_a_manifest_there_is_none(tmp_path: Path) -> None:
    assert read_manifest(str(tmp_path)) is None


def test_a_damaged_manifest_is_a_clear_error(tmp_path: Path) -> None:
    write_manifest(str(tmp_path), [ROW])
    path = tmp_path / MANIFEST
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match="delete it"):
        read_manifest(str(tmp_path))


def test_a_row_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    write_row(str(tmp_path), ROW)
    (tmp_path / ROWS / "cut.json").write_text('{"name": "x')
    (tmp_path / ROWS / "other.json").write_text('{"name": "x"}')
    assert read_rows(str(tmp_path)) == [ROW]
