"""Records appear whole or not at all, say what they were told, and are told apart from what is none."""

import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaint_ray import storage
from inpaint_ray.errors import StorageError, UnreadableError
from inpaint_ray.ledger.records import (
    FOOTER_KEY,
    GROUP_BYTES,
    TAIL_BYTES,
    DamagedRecord,
    Entry,
    open_rows,
    read_entries,
    read_footer,
    record_uri,
    write_record,
)
from tests.support.interrupted import Killed

SCHEMA = pa.schema({"name": pa.string(), "samples": pa.large_binary()})
ENTRIES = [Entry(name="a.wav", fingerprint="f", output="a.wav", output_size=3, row={"seconds": 1.5, "error": ""})]


def write(folder: Path, entries: list[Entry], rows: int = 1, name: str = "one") -> Path:
    with write_record(str(folder), name, SCHEMA) as record:
        for number in range(rows):
            record.add({"name": f"{number}", "samples": bytes(10)})
        record.entries += entries
    return folder / f"{name}.parquet"


def test_a_record_has_its_rows_and_its_entries(tmp_path: Path) -> None:
    path = write(tmp_path, ENTRIES, rows=3)
    assert str(path) == record_uri(str(tmp_path), "one") and [*tmp_path.iterdir()] == [path]
    assert read_entries(str(tmp_path), "one") == ENTRIES
    with open_rows(str(tmp_path), "one") as file:
        assert file.read()["name"].to_pylist() == ["0", "1", "2"]
        assert file.schema_arrow.equals(SCHEMA)


def test_a_record_may_have_no_rows_and_no_entries(tmp_path: Path) -> None:
    write(tmp_path, [], rows=0)
    assert read_entries(str(tmp_path), "one") == []
    with open_rows(str(tmp_path), "one") as file:
        assert file.read().num_rows == 0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Killed])
def test_a_record_that_is_not_finished_does_not_appear(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), write_record(str(tmp_path / "records"), "one", SCHEMA) as record:
        for number in range(3):
            record.add({"name": f"{number}", "samples": bytes(GROUP_BYTES)})  # each is written to a row group
        raise error
    assert not (tmp_path / "records").exists()


def test_a_record_that_is_written_again_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, ENTRIES, rows=3)
    other = [Entry(name="b.wav", fingerprint="g", attempt=2, failed=True)]
    write(tmp_path, other)
    assert read_entries(str(tmp_path), "one") == other


escaped = st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)  # bytes of names that are not UTF-8
any_text = st.text(st.characters(exclude_categories=["Cs"]) | escaped, max_size=40)  # controls and newlines, too
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)
entries = st.builds(
    Entry,
    name=any_text,
    fingerprint=any_text,
    attempt=st.integers(0, 10**6),
    failed=st.booleans(),
    output=any_text,
    output_size=st.integers(0, 2**50),
    row=st.dictionaries(any_text, values, max_size=4),
)


@settings(max_examples=60, deadline=None)
@given(written=st.lists(entries, max_size=5))
def test_entries_come_back_whatever_their_names_are(tmp_path_factory: pytest.TempPathFactory, written: list) -> None:
    folder = tmp_path_factory.mktemp("records")
    write(folder, written, rows=0)
    assert read_entries(str(folder), "one") == written


@pytest.mark.parametrize(
    "name", ["\ud800", "\udcff\udc80", "a\nb\r.wav", "\u2028", "e\u0301", "\U0001f3b5", "\\xff", "\0", ""]
)
def test_odd_names_come_back(tmp_path: Path, name: str) -> None:
    written = [Entry(name=name, fingerprint="", output=name, row={"name": name, name: name})]
    write(tmp_path, written)
    assert read_entries(str(tmp_path), "one") == written


@pytest.mark.parametrize("length", [TAIL_BYTES // 2, TAIL_BYTES - 500, TAIL_BYTES, 5 * TAIL_BYTES])
def test_footers_longer_than_the_tail_are_read(tmp_path: Path, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    written = [
        Entry(name="a" * 100, fingerprint=f"{number}", row={"error": "x" * 800}) for number in range(length // 1100)
    ]
    written.append(Entry(name="last", fingerprint=""))
    path = write(tmp_path, written)
    (footer_length,) = struct.unpack("<I", path.read_bytes()[-8:-4])
    requests = []
    read_tail = storage.read_tail

    def counted(uri: str, num_bytes: int) -> bytes:
        requests.append(num_bytes)
        return read_tail(uri, num_bytes)

    monkeypatch.setattr(storage, "read_tail", counted)
    assert read_entries(str(tmp_path), "one") == written
    long = footer_length + 8 > TAIL_BYTES
    assert requests == [TAIL_BYTES, footer_length + 8] if long else requests == [TAIL_BYTES]
    assert long or length < TAIL_BYTES * 2


def test_rows_are_written_in_groups_of_some_mib(tmp_path: Path) -> None:
    with write_record(str(tmp_path), "one", SCHEMA) as record:
        for number in range(20):
            record.add({"name": f"{number}", "samples": bytes(2**20)})
    with open_rows(str(tmp_path), "one") as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        assert sizes == [8, 8, 4]
        assert file.read()["name"].to_pylist() == [f"{number}" for number in range(20)]


def test_a_missing_record_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_entries(str(tmp_path), "one")


def test_what_is_no_record_is_told_so(tmp_path: Path) -> None:
    path = write(tmp_path, ENTRIES, rows=3)
    whole = path.read_bytes()
    table = pa.table({"name": ["x"]})
    pq.write_table(table, tmp_path / "other.parquet")
    foreign = (tmp_path / "other.parquet").read_bytes()
    for data in (b"", b"PAR1", b"PAR1PAR1", whole[:-1], whole[:-9], whole[: len(whole) // 2], foreign, whole[4:-4]):
        path.write_bytes(data)
        assert read_footer(str(path)) is None
        with pytest.raises(DamagedRecord, match="one.parquet: damaged, or no record; its items are done again"):
            read_entries(str(tmp_path), "one")


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**32 - 1])
def test_a_length_of_the_footer_that_cannot_be_is_damage(tmp_path: Path, length: int) -> None:
    path = write(tmp_path, ENTRIES)
    path.write_bytes(path.read_bytes()[:-8] + struct.pack("<I4s", length, b"PAR1"))
    with pytest.raises(DamagedRecord, match="damaged"):
        read_entries(str(tmp_path), "one")


@pytest.mark.parametrize(
    "footer", [b"", b"[", b"3", b"[3]", b'[{"name": "a"}]', b'[{"of": "a later version"}]', b"\xff"]
)
def test_entries_that_cannot_be_read_are_damage(tmp_path: Path, footer: bytes) -> None:
    with pq.ParquetWriter(tmp_path / "one.parquet", SCHEMA) as writer:
        writer.add_key_value_metadata({FOOTER_KEY: footer})
    with pytest.raises(DamagedRecord, match="damaged, or no record"):
        read_entries(str(tmp_path), "one")


def test_a_flipped_byte_anywhere_is_an_entry_or_damage_and_no_other_error(tmp_path: Path) -> None:
    path = write(tmp_path, ENTRIES)
    whole = path.read_bytes()
    damaged = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        try:
            assert len(read_entries(str(tmp_path), "one")) == 1
        except DamagedRecord:
            damaged += 1
    assert damaged > 20


@pytest.mark.parametrize("error", [StorageError, UnreadableError])
def test_a_record_that_cannot_be_reached_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[StorageError]
) -> None:
    write(tmp_path, ENTRIES)

    def refused(uri: str, num_bytes: int) -> bytes:
        raise error(f"{uri}: storage refuses")

    monkeypatch.setattr(storage, "read_tail", refused)
    with pytest.raises(error, match="one.parquet: storage refuses") as raised:
        read_entries(str(tmp_path), "one")
    assert not isinstance(raised.value, DamagedRecord)


@pytest.mark.parametrize("damage", [bytes(600), b"\xff" * 600, b"PAR1" * 150], ids=["zeros", "ones", "text"])
def test_damaged_rows_beside_a_whole_footer_name_the_record_and_what_to_do(tmp_path: Path, damage: bytes) -> None:
    path = write(tmp_path, ENTRIES, rows=1000)
    data = path.read_bytes()
    path.write_bytes(data[:4] + damage + data[604:])
    assert read_entries(str(tmp_path), "one") == ENTRIES
    with pytest.raises(DamagedRecord, match="one.parquet: damaged; delete it and run the job again: ") as raised:
        with open_rows(str(tmp_path), "one") as file:
            file.read()
    assert "\n" not in str(raised.value)


def test_rows_of_a_record_that_is_gone_say_so(tmp_path: Path) -> None:
    with pytest.raises(DamagedRecord, match="one.parquet: missing; run the job again"):
        with open_rows(str(tmp_path), "one"):
            pass
