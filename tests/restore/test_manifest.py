from dataclasses import asdict, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from inpaint_ray.errors import UsageError
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import Entry, write_record
from inpaint_ray.restore import gap_table
from inpaint_ray.restore.manifest import (
    FOLDER,
    MANIFEST,
    SCHEMA,
    ManifestRow,
    make_rows,
    manifest_rows,
    read_manifest,
    rows_table,
    write_manifest,
)

ROW = ManifestRow(name="b/x.wav", source_size=1, method="auto", settings="s", status="restored", samples_replaced=3)
OTHER = replace(ROW, name="a.wav", status="failed", error="why")


def test_a_manifest_is_read_as_it_was_written_with_its_digest(tmp_path: Path) -> None:
    write_manifest(str(tmp_path), rows_table(map(asdict, [OTHER, ROW])), "of records")
    table, digest = read_manifest(str(tmp_path)) or (None, "")
    assert (manifest_rows(table), digest) == ([OTHER, ROW], "of records")
    assert pq.read_schema(tmp_path / MANIFEST).equals(SCHEMA)


def test_rows_of_the_manifest_are_those_of_the_entries_that_count(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), FOLDER)
    with write_record(ledger.records, "one", gap_table.SCHEMA) as record:
        record.entries += [Entry(name=row.name, fingerprint="", row=asdict(row)) for row in (ROW, OTHER)]
    assert manifest_rows(make_rows(ledger, "one", None)) == [ROW, OTHER]
    assert manifest_rows(make_rows(ledger, "one", ["a.wav"])) == [OTHER]


def test_without_a_manifest_there_is_none(tmp_path: Path) -> None:
    assert read_manifest(str(tmp_path)) is None


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: b"", lambda data: b"name,status\n"])
def test_a_damaged_manifest_is_a_clear_error(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    write_manifest(str(tmp_path), rows_table([asdict(ROW)]), "")
    path = tmp_path / MANIFEST
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UsageError, match="delete it: it is made again from the records"):
        read_manifest(str(tmp_path))


def test_another_table_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    pq.write_table(rows_table([asdict(ROW)]).drop_columns("name"), tmp_path / MANIFEST)
    with pytest.raises(UsageError, match="damaged, or not a manifest"):
        read_manifest(str(tmp_path))
