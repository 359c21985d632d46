import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from inpaint_ray import storage
from inpaint_ray.audio.decode import Recording, read_recording
from inpaint_ray.audio.encode import to_integers
from inpaint_ray.errors import AudioDecodeError, UsageError
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import write_record
from inpaint_ray.restore.config import OutputFormat, RestoreConfig
from inpaint_ray.restore.formats import LOSSLESS
from inpaint_ray.restore.gap_table import GAPS, SCHEMA, FilledGap, read_gaps
from inpaint_ray.restore.manifest import FOLDER, MANIFEST
from inpaint_ray.restore.replaced import put_back
from inpaint_ray.restore.undo import UndoConfig, undo
from tests.support.faulty_proxy import FaultyProxy
from tests.support.restoring import read_rows, restore_here, write_damaged
from tests.support.s3 import forget_clients


def gap(name: str, channel: int, start: int, samples: np.ndarray) -> FilledGap:
    return FilledGap(
        name=name,
        channel=channel,
        start=start,
        stop=start + len(samples),
        kind="marked",
        confidence=1.0,
        start_s=0.0,
        seconds=0.0,
        method="linear",
        level_before_db=-np.inf,
        level_after_db=0.0,
        dtype=str(samples.dtype),
        replaced=samples.tobytes(),
    )


def test_samples_go_back_across_blocks_bit_for_bit(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    original = random.standard_normal((2, 1000)).astype(np.float32)
    original[0, 300] = np.nan
    restored = original.copy()
    ledger = Ledger(str(tmp_path), FOLDER)
    with write_record(ledger.records, "record", SCHEMA) as writer:
        for channel, start, stop in ((0, 0, 10), (0, 250, 760), (1, 255, 256), (1, 990, 1000)):
            restored[channel, start:stop] = 1
            writer.add(vars(gap("a", channel, start, original[channel, start:stop])))
        writer.add(vars(gap("b", 0, 0, original[0])))
    rows = (row for table in read_gaps(ledger, "record", {"a"}) for row in table.to_pylist())
    blocks = (
        Recording(samples=part, sample_rate=1000, container="WAV", subtype="FLOAT")
        for part in np.split(restored, [255, 500, 501], axis=1)
    )
    undone = np.concatenate([block.samples for block in put_back(blocks, rows)], axis=1)
    assert undone.tobytes() == original.tobytes()


def test_many_gaps_are_written_and_read_in_groups(tmp_path: Path) -> None:
    samples = np.zeros(2**18, dtype=np.int32)
    ledger = Ledger(str(tmp_path), FOLDER)
    with write_record(ledger.records, "record", SCHEMA) as writer:
        for number in range(20):
            writer.add(vars(gap(f"{number // 10}", 0, number, samples)))
    (path,) = (tmp_path / FOLDER / "records").iterdir()
    num_groups = pq.read_metadata(path).num_row_groups
    assert path.stat().st_size < 100_000 and num_groups > 2
    tables = list(read_gaps(ledger, "record", {"1"}))
    assert 1 < len(tables) < num_groups  # others are not read
    assert [row["start"] for table in tables for row in table.to_pylist()] == list(range(10, 20))


def test_of_a_bucket_s_record_only_what_is_asked_for_is_fetched(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inpaint_ray.ledger.records.GROUP_BYTES", 100_000)
    ledger = Ledger(f"{bucket}/undone", FOLDER)
    random = np.random.default_rng(0)
    with write_record(ledger.records, "record", SCHEMA) as writer:
        for number in range(20):
            samples = random.integers(-(2**31), 2**31, 50_000).astype(np.int32)  # which no compression makes smaller
            writer.add(vars(gap(f"{number:02d}", 0, 0, samples)))
    (record,) = storage.list_files(ledger.records)
    assert record.size > 4_000_000
    proxy = FaultyProxy(os.environ["AWS_ENDPOINT_URL"], lambda number: "pass")
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    forget_clients()
    try:
        for name in ("05", "17"):
            before = proxy.num_sent
            rows = [row for table in read_gaps(ledger, "record", {name}) for row in table.to_pylist()]
            assert [(row["name"], len(row["replaced"])) for row in rows] == [(name, 200_000)]
            assert 200_000 < proxy.num_sent - before < 500_000  # the gap and the footer
    finally:
        monkeypatch.undo()
        forget_clients()
        proxy.close()


def test_a_long_stretch_that_is_not_finite_is_silenced_and_comes_back(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).standard_normal((32_000, 1)).astype(np.float32) / 10
    samples[8000:20_000] = np.inf
    source, output = tmp_path / "in" / "a.wav", str(tmp_path / "out")
    source.parent.mkdir()
    soundfile.write(source, samples, 8000, subtype="FLOAT")
    assert restore_here(RestoreConfig(input=str(tmp_path / "in"), output=output)) == 0
    (row,) = read_rows(output)
    assert (row.status, row.gaps, row.samples_replaced) == ("partly", 1, 0)
    assert np.isfinite(soundfile.read(tmp_path / "out" / "a.wav")[0]).all()
    undo(UndoConfig(output=output, to=str(tmp_path / "undone")))
    undone = soundfile.read(tmp_path / "undone" / "a.wav", dtype="float32", always_2d=True)[0]
    np.testing.assert_array_equal(undone, samples)


def test_where_there_is_nothing_to_undo_says_so(tmp_path: Path) -> None:
    output, to = str(tmp_path / "out"), str(tmp_path / "undone")
    with pytest.raises(UsageError, match=f"^--output {output}: no {MANIFEST} there; run the restoration again"):
        undo(UndoConfig(output=output, to=to))
    write_damaged(tmp_path / "in" / "a.wav", gaps=0)
    assert restore_here(RestoreConfig(input=str(tmp_path / "in"), output=output)) == 0
    with pytest.raises(UsageError, match="nothing was filled$"):
        undo(UndoConfig(output=output, to=to))
    with pytest.raises(UsageError, match="nothing was filled in x.wav"):
        undo(UndoConfig(output=output, to=to, name="x.wav"))
    with pytest.raises(UsageError, match="--to"):
        undo(UndoConfig(output=output, to=output))


def test_a_manifest_that_is_gone_is_made_again_by_the_job_and_then_undone(tmp_path: Path, restored: Path) -> None:
    (restored / MANIFEST).unlink()
    config = UndoConfig(output=str(restored), to=str(tmp_path / "undone"))
    with pytest.raises(UsageError, match="run the restoration again"):
        undo(config)
    done: list[str] = []
    assert restore_here(RestoreConfig(input=str(tmp_path / "in"), output=str(restored)), done) == 0 and done == []
    assert undo(config) == 0


UNUSUAL = ("RAW", "HTK", "MAT4", "MAT5", "MPC2K", "SD2", "SDS", "SVX", "XI", "WVE", "VOC")  # or not of music


def chosen_formats() -> list[tuple[str, str, str]]:
    """Container, subtype and output format: each container and each subtype of music at least once."""
    chosen: dict[str, tuple[str, str, str]] = {}
    for container in soundfile.available_formats():
        for subtype in soundfile.available_subtypes(container):
            if container not in UNUSUAL and soundfile.check_format(container, subtype):
                chosen.setdefault(subtype, (container, subtype, "same"))
                chosen.setdefault(container, (container, subtype, "same"))
                if subtype not in LOSSLESS:
                    chosen.setdefault(f"{subtype} as WAV", (container, subtype, "wav"))
    return sorted(set(chosen.values()))


@pytest.mark.parametrize(("container", "subtype", "output_format"), chosen_formats())
def test_every_sample_comes_back_as_the_source_has_it(
    tmp_path: Path, container: str, subtype: str, output_format: OutputFormat
) -> None:
    source, output, undone = tmp_path / "in" / "a.wav", tmp_path / "out", tmp_path / "undone"
    source.parent.mkdir()
    channels = 1 if container in ("AVR", "NIST") or "GSM" in subtype or "G721" in subtype or "NMS" in subtype else 2
    level = 0.01 if "ALAC" in subtype else 0.9  # libsndfile writes loud noise as ALAC wrong
    samples = np.random.default_rng(0).uniform(-level, level, (4000, channels))
    try:
        with source.open("wb") as file:
            soundfile.write(file, samples, 8000, format=container, subtype=subtype)
    except soundfile.LibsndfileError:
        pytest.skip("this libsndfile does not write it")
    try:
        before = read_recording(source.read_bytes())
    except AudioDecodeError:
        pytest.skip("this libsndfile does not read what it writes")
    (tmp_path / "gaps.csv").write_text("name,start,end,channel\na.wav,0.1,0.11,0\na.wav,0.2,0.203,0\n")
    config = RestoreConfig(
        input=str(source.parent), output=str(output), gaps=str(tmp_path / "gaps.csv"), output_format=output_format
    )
    assert restore_here(config) == 0
    (row,) = read_rows(output)
    restored = read_recording((output / row.output).read_bytes())
    assert undo(UndoConfig(output=str(output), to=str(undone))) == 0
    after = read_recording((undone / row.output).read_bytes())
    assert (after.container, after.subtype) == (restored.container, restored.subtype)
    exact = before.subtype in LOSSLESS or after.subtype == "FLOAT"
    expected = before.samples if exact else to_integers(before.samples, after.subtype)
    assert after.samples.tobytes() == expected.tobytes() != restored.samples.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_bit_of_what_is_not_a_number_comes_back(tmp_path: Path, dtype: type) -> None:
    random = np.random.default_rng(0)
    samples = random.uniform(-0.5, 0.5, (4000, 1)).astype(dtype)
    integers = samples.view(np.uint32 if dtype is np.float32 else np.uint64)
    top = 0x7FC00000 if dtype is np.float32 else 0x7FF8000000000000  # quiet: a signalling one may not survive a copy
    integers[1000:1080, 0] = [top + number for number in range(80)]
    samples[1080:1082, 0] = -np.inf, np.inf
    source, output, undone = tmp_path / "in" / "a.wav", tmp_path / "out", tmp_path / "undone"
    source.parent.mkdir()
    soundfile.write(source, samples, 8000, subtype="FLOAT" if dtype is np.float32 else "DOUBLE")
    assert restore_here(RestoreConfig(input=str(source.parent), output=str(output))) == 0
    assert np.isfinite(read_recording((output / "a.wav").read_bytes()).samples).all()
    assert undo(UndoConfig(output=str(output), to=str(undone))) == 0
    after = read_recording((undone / "a.wav").read_bytes())
    assert after.samples.tobytes() == read_recording(source.read_bytes()).samples.tobytes()


@pytest.mark.parametrize(("container", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("WAV", "PCM_16")])
def test_a_file_with_gaps_too_long_to_fill_comes_back_byte_for_byte(
    tmp_path: Path, container: str, subtype: str
) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (32_000, 2))
    with (source / "a.x.wav").open("wb") as file:
        soundfile.write(file, samples, 8000, format=container, subtype=subtype)
    (tmp_path / "gaps.csv").write_text("name,start,end\na.x.wav,1,3\n")
    assert restore_here(RestoreConfig(input=str(source), output=str(output), gaps=str(tmp_path / "gaps.csv"))) == 0
    assert undo(UndoConfig(output=str(output), to=str(tmp_path / "undone"))) == 0
    assert (tmp_path / "undone" / "a.x.wav").read_bytes() == (source / "a.x.wav").read_bytes()


@pytest.fixture
def restored(tmp_path: Path) -> Path:
    """The output of a restoration of `in`, which has a/b.wav and c.wav."""
    for name in ("a/b.wav", "c.wav"):
        write_damaged(tmp_path / "in" / name)
    restore_here(RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out")))
    return tmp_path / "out"


@pytest.mark.parametrize(
    "to", ["in", "in/a", "in/new", "link", "link/new", "in/../in", "out", "out/_restore", "out/new", ".", "other"]
)
def test_undo_writes_over_nothing_that_is_not_its_own(tmp_path: Path, restored: Path, to: str) -> None:
    os.symlink("in", tmp_path / "link")
    write_damaged(tmp_path / "other" / "c.wav")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="--to"):
        undo(UndoConfig(output=str(restored), to=str(tmp_path / to)))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_undo_of_one_file_or_a_list_writes_over_no_source(tmp_path: Path) -> None:
    write_damaged(tmp_path / "tapes" / "a.wav")
    (tmp_path / "list.txt").write_text(f"{tmp_path}/tapes/a.wav\n")
    before = (tmp_path / "tapes" / "a.wav").read_bytes()
    for number, (given, to) in enumerate((("tapes/a.wav", str(tmp_path / "tapes")), ("list.txt", "/"))):
        output = str(tmp_path / f"out{number}")
        assert restore_here(RestoreConfig(input=str(tmp_path / given), output=output)) == 0
        with pytest.raises(UsageError, match="--to"):
            undo(UndoConfig(output=output, to=to))
    assert (tmp_path / "tapes" / "a.wav").read_bytes() == before


def test_an_undo_that_was_killed_is_run_again(tmp_path: Path, restored: Path) -> None:
    config = UndoConfig(output=str(restored), to=str(tmp_path / "undone"))
    undo(replace(config, name="c.wav"))
    (tmp_path / "undone" / f"c.wav.{'0' * 32}.tmp").write_bytes(b"half")
    (tmp_path / "undone" / "c.wav").write_bytes(b"half")
    assert undo(config) == 0
    for name in ("a/b.wav", "c.wav"):
        assert (tmp_path / "undone" / name).read_bytes() == (tmp_path / "in" / name).read_bytes()
    left = {path.name for path in (tmp_path / "undone").rglob("*") if path.is_file()}
    assert left == {"b.wav", "c.wav", "claim.json", "gaps.parquet", "manifest.parquet"}


def test_what_is_not_as_the_restoration_left_it_is_said_and_not_undone(
    tmp_path: Path, restored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_damaged(restored / "c.wav")
    record = next(row.record for row in read_rows(restored) if row.name == "a/b.wav")
    with write_record(Ledger(str(restored), FOLDER).records, record, SCHEMA):
        pass
    assert undo(UndoConfig(output=str(restored), to=str(tmp_path / "undone"))) == 3
    assert [path.name for path in (tmp_path / "undone").rglob("*.wav")] == []
    said = capsys.readouterr().out
    assert "a/b.wav: failed: its record has 0 of its 1 gaps" in said
    assert "c.wav: failed: differs from what the restoration wrote" in said and "0 files as they came" in said


def test_undo_reads_the_records_alone_and_not_the_table_of_gaps(tmp_path: Path, restored: Path) -> None:
    assert pq.read_schema(restored / GAPS).names == [n for n in SCHEMA.names if n not in ("dtype", "replaced")]
    (restored / GAPS).unlink()
    assert undo(UndoConfig(output=str(restored), to=str(tmp_path / "undone"))) == 0
    for name in ("a/b.wav", "c.wav"):
        assert (tmp_path / "undone" / name).read_bytes() == (tmp_path / "in" / name).read_bytes()


@pytest.mark.parametrize("harm", ["damaged", "gone"])
def test_a_record_that_cannot_be_read_is_said_of_its_files_alone(
    tmp_path: Path, restored: Path, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    record = next(row.record for row in read_rows(restored) if row.name == "a/b.wav")
    path = restored / FOLDER / "records" / f"{record}.parquet"
    path.write_bytes(b"PAR1") if harm == "damaged" else path.unlink()
    assert undo(UndoConfig(output=str(restored), to=str(tmp_path / "undone"))) == 3
    assert [path.name for path in (tmp_path / "undone").rglob("*.wav")] == ["c.wav"]
    said = capsys.readouterr().out
    assert "a/b.wav: failed: " in said and "record" in said and "1 files as they came" in said
