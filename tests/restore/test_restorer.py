import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile
import torch

from inpaint_ray.audio import decode
from inpaint_ray.audio.decode import Recording, read_recording
from inpaint_ray.audio.encode import to_integers
from inpaint_ray.audio.metrics import snr
from inpaint_ray.audio.tags import read_tags
from inpaint_ray.finding.labels import read_labels
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import read_entries
from inpaint_ray.restore import survey
from inpaint_ray.restore.archive import SourceFile
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.dry_run import DryRunner
from inpaint_ray.restore.formats import LOSSLESS, Target, choose_target
from inpaint_ray.restore.gap_table import read_gaps
from inpaint_ray.restore.manifest import FOLDER, ManifestRow
from tests.support.restoring import RECORD, restore_file, restore_here

RATE = 8000
GAP = slice(4000, 4080)  # 10 ms
LABELS = f"{GAP.start / RATE}\t{GAP.stop / RATE}\tdropout\n"


def make_tones(channels: int = 1, seconds: float = 1.0) -> np.ndarray:
    """Make float64 chords, (channels, n), nowhere zero for long."""
    time = np.arange(int(seconds * RATE)) / RATE
    chords = [
        0.3 * np.sin(2 * np.pi * (220 + 30 * c) * time) + 0.2 * np.sin(2 * np.pi * 331 * time + 1)
        for c in range(channels)
    ]
    return np.array(chords) + 0.01


def write(samples: np.ndarray, container: str, subtype: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, RATE, format=container, subtype=subtype)
    return buffer.getvalue()


def make_damaged(channels: int = 1, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    samples = make_tones(channels)
    samples[:, GAP] = 0
    return write(samples, container, subtype)


class Result(NamedTuple):
    row: ManifestRow
    data: bytes  # of the output, empty without one


def restore(
    folder: Path, name: str, data: bytes, *, labels: str | None = None, taken: tuple = (), **options: object
) -> Result:
    """Take a file through the actor, without Ray."""
    config = RestoreConfig(input=str(folder / "in"), output=str(folder / "out"), **options)  # type: ignore[arg-type]
    path = folder / "in" / "file"  # names that lead out are only names here
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    source = {"uri": str(path), "name": name, "size": len(data), "settings": "s", "labels": labels, "taken": taken}
    row = restore_file(config, source)
    return Result(row, (folder / "out" / row.output).read_bytes() if row.output else b"")


def gaps_of(folder: Path, row: ManifestRow) -> list[dict[str, Any]]:
    """Rows of a file's gaps in its record, by time and channel."""
    tables = read_gaps(ledger_of(folder), row.record, {row.name})
    rows = [each for table in tables for each in table.to_pylist()]
    return sorted(rows, key=lambda gap: (gap["start"], gap["channel"]))


def ledger_of(folder: Path) -> Ledger:
    return Ledger(str(folder / "out"), FOLDER)


def lossless_formats() -> list[tuple[str, str, str]]:
    """Container, subtype and byte order of everything lossless that libsndfile reads back as what it wrote."""
    chosen = []
    for container in soundfile.available_formats():
        for subtype in soundfile.available_subtypes(container):
            for endian in ("FILE", "LITTLE", "BIG"):
                if subtype in LOSSLESS and soundfile.check_format(container, subtype, endian):
                    chosen.append((container, subtype, endian))
    return [each for each in chosen if each[0] not in UNUSUAL]


UNUSUAL = (
    "RAW",
    "HTK",
    "MAT4",
    "MAT5",
    "MPC2K",
    "SD2",
    "SDS",
    "SVX",
    "XI",
    "WVE",
    "VOC",
)  # headerless, or not of music


@pytest.mark.parametrize(("container", "subtype", "endian"), lossless_formats())
def test_only_lost_samples_change_and_the_format_stays(
    tmp_path: Path, container: str, subtype: str, endian: str
) -> None:
    channels = 1 if container in ("AVR", "NIST") else 2
    samples = make_tones(channels)
    samples[:, GAP] = 0
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, RATE, format=container, subtype=subtype, endian=endian)
    data = buffer.getvalue()
    row, written = restore(tmp_path, "a.x", data, labels=LABELS)
    assert row.error == ""
    before, after = read_recording(data), read_recording(written)
    assert (after.container, after.subtype, after.endian) == (before.container, before.subtype, before.endian)
    assert after.sample_rate == RATE
    known = np.ones(before.num_samples, dtype=bool)
    known[GAP] = False
    np.testing.assert_array_equal(after.samples[:, known], before.samples[:, known])
    assert after.samples[:, GAP].any(axis=1).all()
    assert (row.status, row.output, row.gaps, row.samples_replaced) == ("restored", "a.x", 1, 80 * channels)
    assert (row.channels, row.seconds, row.longest_gap_s, row.filled_s) == (channels, 1.0, 0.01, 0.01)


def test_a_found_gap_is_filled_with_about_what_was_there(tmp_path: Path) -> None:
    row, written = restore(tmp_path, "a.flac", make_damaged(2, "FLAC", "PCM_24"))
    after = read_recording(written).to_float()
    assert row.samples_replaced in range(156, 161)  # 80 in each channel, but for zero crossings at the edges
    assert snr(torch.from_numpy(after[:, GAP]), torch.from_numpy(make_tones(2)[:, GAP])) > 30


def test_samples_that_are_not_finite_are_gaps(tmp_path: Path) -> None:
    samples = make_tones(1)
    samples[:, GAP] = np.nan
    row, written = restore(tmp_path, "a.wav", write(samples, "WAV", "FLOAT"))
    assert (row.status, row.samples_replaced) == ("restored", 80)
    assert np.isfinite(read_recording(written).samples).all()


def test_a_file_without_gaps_is_copied_byte_for_byte(tmp_path: Path) -> None:
    data = write(make_tones(2), "OGG", "VORBIS")
    row, written = restore(tmp_path, "a.ogg", data)
    assert (row.status, row.output, row.error) == ("unchanged", "a.ogg", "")
    assert written == data


def test_a_silent_file_is_copied_and_says_so(tmp_path: Path) -> None:
    data = write(np.zeros((1, RATE)), "WAV", "PCM_16")
    row, written = restore(tmp_path, "a.wav", data)
    assert row.status == "unchanged" and row.error.startswith("silent") and written == data


@pytest.mark.parametrize("container", ["MP3", "OGG"])
def test_a_lossy_file_becomes_flac_equal_to_what_it_decodes_to(tmp_path: Path, container: str) -> None:
    data = write(make_tones(2), container, "MPEG_LAYER_III" if container == "MP3" else "VORBIS")
    name = f"a.{container.lower()}"
    row, written = restore(tmp_path, name, data, labels=LABELS)
    before, after = read_recording(data), read_recording(written)
    assert row.output == f"{name}.flac" and after.subtype == "PCM_24"
    known = np.ones(before.num_samples, dtype=bool)
    known[GAP] = False
    steps = np.rint(before.samples[:, known].astype(np.float64) * 2**23).astype(np.int64) << 8
    np.testing.assert_array_equal(after.samples[:, known], steps)
    assert (after.samples[:, GAP] != np.rint(before.samples[:, GAP] * 2.0**23) * 2**8).any()


def test_wav_output_holds_lossy_audio_exactly(tmp_path: Path) -> None:
    data = write(make_tones(1), "MP3", "MPEG_LAYER_III")
    row, written = restore(tmp_path, "a.mp3", data, labels=LABELS, output_format="wav")
    before, after = read_recording(data), read_recording(written)
    assert (row.output, after.subtype) == ("a.mp3.wav", "FLOAT")
    np.testing.assert_array_equal(after.samples[:, : GAP.start], before.samples[:, : GAP.start])


def test_flac_output_keeps_every_known_sample_of_a_wav(tmp_path: Path) -> None:
    data = make_damaged(2, "WAV", "PCM_24")
    row, written = restore(tmp_path, "a.wav", data, labels=LABELS, output_format="flac")
    before, after = read_recording(data), read_recording(written)
    assert (row.output, after.container, after.subtype) == ("a.wav.flac", "FLAC", "PCM_24")
    np.testing.assert_array_equal(after.samples[:, GAP.stop :], before.samples[:, GAP.stop :])


def test_seconds_that_repeat_are_restored_and_noted_as_such(tmp_path: Path) -> None:
    samples = np.tile(0.1 * np.random.default_rng(0).standard_normal((1, 4 * RATE)), 3)
    row, _ = restore(tmp_path, "a.wav", write(samples, "WAV", "PCM_16"), labels="5.0\t7.0\tlong\n")
    assert (row.status, row.gaps, row.samples_replaced, row.error) == ("restored", 1, 2 * RATE, "")
    (gap,) = gaps_of(tmp_path, row)
    assert gap["method"] == "retrieval" and gap["level_after_db"] == pytest.approx(-20, abs=0.5)


def test_a_gap_longer_than_a_second_stays_silent_and_is_told(tmp_path: Path) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal((1, 4 * RATE))  # which never repeats
    samples[:, GAP] = 0
    samples[:, 2 * RATE : 3 * RATE + 400] = 0
    labels = LABELS + "2.0\t3.05\tlong\n"
    row, _ = restore(tmp_path, "a.wav", write(samples, "WAV", "PCM_16"), labels=labels)
    assert (row.status, row.gaps, row.samples_replaced) == ("partly", 2, 80)
    assert row.longest_gap_s == pytest.approx(1.05)
    assert row.error == "left silent: 1 gap longer than 1 s, 1.05 s in all"
    assert [gap["method"] for gap in gaps_of(tmp_path, row)] == ["autoregressive", "silence"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"this is no audio" * 100, "not readable as audio"),
        (make_damaged()[:8000], "truncated"),
        (write(np.full((1, RATE), np.nan), "WAV", "FLOAT"), "all of it is lost"),
    ],
)
def test_a_bad_file_is_a_row_with_its_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    row, written = restore(tmp_path, "a.wav", data)
    assert row.status == "failed" and reason in row.error and "\n" not in row.error
    assert (row.output, written) == ("", b"")
    assert [file.name for file in (tmp_path / "out").rglob("*") if file.is_file()] == [f"{RECORD}.parquet"]


def test_what_flac_cannot_hold_is_a_failed_row(tmp_path: Path) -> None:
    row, _ = restore(tmp_path, "a.wav", make_damaged(1, "WAV", "FLOAT"), labels=LABELS, output_format="flac")
    assert row.status == "failed" and "--output-format" in row.error


@pytest.mark.parametrize("name", ["../x.wav", "/x.wav", "a/../../x.wav", "_restore/x.wav"])
def test_a_name_that_leads_out_of_the_output_is_refused(tmp_path: Path, name: str) -> None:
    row, _ = restore(tmp_path, name, make_damaged())
    assert row.status == "failed" and row.output == "" and "would l" in row.error


def test_a_result_does_not_take_the_name_of_another_file(tmp_path: Path) -> None:
    data = write(make_tones(1), "MP3", "MPEG_LAYER_III")
    row, _ = restore(tmp_path, "a.mp3", data, labels=LABELS, taken=("a.mp3.flac",))
    assert row.status == "failed" and "another file" in row.error


def test_damaged_labels_are_a_failed_row(tmp_path: Path) -> None:
    row, _ = restore(tmp_path, "a.wav", make_damaged(), labels="one\ttwo\n")
    assert row.status == "failed" and "line 1 is not START<tab>STOP<tab>NAME" in row.error


def test_the_output_its_gaps_and_its_row_are_written(tmp_path: Path) -> None:
    row, written = restore(tmp_path, "sub/a b\u00e4.flac", make_damaged(2, "FLAC"))
    assert len(written) == row.output_size and hashlib.sha256(written).hexdigest() == row.sha256
    (entry,) = read_entries(ledger_of(tmp_path).records, RECORD)
    assert ManifestRow(**entry.row) == row and row.record == RECORD
    assert (entry.name, entry.output, entry.output_size) == (row.name, row.output, row.output_size)
    gaps = gaps_of(tmp_path, row)
    assert [(gap["channel"], gap["method"], gap["dtype"]) for gap in gaps] == [
        (0, "autoregressive", "int32"),
        (1, "autoregressive", "int32"),
    ]
    assert row.gap_rows == 2
    for gap in gaps:
        assert not any(gap["replaced"]) and len(gap["replaced"]) == 4 * (gap["stop"] - gap["start"])
        assert gap["level_before_db"] == -np.inf and -20 < gap["level_after_db"] < -5
        assert gap["name"] == row.name and gap["start_s"] == gap["start"] / RATE
        assert gap["expected_snr_db"] > 10 and gap["trust"] == "sure"  # tones


def test_a_short_file_is_decoded_once_and_a_long_one_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(survey, "read_blocks", lambda path: opened.append(path) or decode.read_blocks(path))
    rows = [restore(tmp_path, "a.flac", make_damaged(2, "FLAC"))[1]]
    assert len(opened) == 1
    monkeypatch.setattr(survey, "MOST_KEPT", 10)
    rows.append(restore(tmp_path, "b.flac", make_damaged(2, "FLAC"))[1])
    assert len(opened) == 3
    assert rows[0] == rows[1]


def test_a_dry_run_writes_the_label_track_alone(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(make_damaged(2, "FLAC"))
    config = RestoreConfig(input=str(tmp_path), output=str(tmp_path / "out"), dry_run=True)
    row = DryRunner(config, "").examine(
        SourceFile(uri=str(tmp_path / "a.flac"), name="a.flac", size=9, fingerprint="f")
    )
    assert (row.status, row.gaps, row.output) == ("restored", 1, "")
    (written,) = (file for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert written.name == "a.flac.txt"
    (label,) = read_labels(written.read_text())
    assert label[:2] == pytest.approx((0.5, 0.51), abs=2e-4) and label.channel is None


def test_a_file_that_is_gone_is_a_failed_row(tmp_path: Path) -> None:
    config = RestoreConfig(input="in", output=str(tmp_path / "out"))
    row = restore_file(config, {"uri": str(tmp_path / "gone.wav"), "name": "gone.wav", "size": 9})
    assert row.status == "failed" and row.error.startswith("not there")


def test_what_an_earlier_run_wrote_under_another_name_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").write_bytes(make_damaged())
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"), output_format="flac")
    assert restore_here(config) == 0 and (tmp_path / "out" / "a.wav.flac").exists()
    assert restore_here(replace(config, output_format="same")) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_restore", "a.wav"]


@pytest.mark.music
def test_real_recordings_keep_every_known_sample_and_their_tags(music: Path, tmp_path: Path) -> None:
    paths = sorted(path for path in (music / "archive").rglob("*") if path.suffix != ".csv" and path.is_file())
    formats = set()
    for path in paths:
        data = path.read_bytes()
        before = read_recording(data)
        rate = before.sample_rate
        row, written = restore(tmp_path, path.name, data, labels="1.0\t1.02\tgap\n3.0\t3.005\tchannel 0\n")
        assert (row.status, row.gaps, row.error) == ("restored", 2, ""), path.name
        after = read_recording(written)
        known = np.ones(before.samples.shape, dtype=bool)
        known[:, rate : rate + round(0.02 * rate)] = False
        known[0, 3 * rate : round(3.005 * rate)] = False
        if before.subtype in LOSSLESS:
            assert (after.container, after.subtype, after.endian) == (before.container, before.subtype, before.endian)
            expected = before.samples
        else:
            assert (after.container, after.subtype, row.output) == ("FLAC", "PCM_24", f"{path.name}.flac")
            expected = to_integers(before.samples, "PCM_24")
        assert after.sample_rate == rate
        np.testing.assert_array_equal(after.samples[known], expected[known], err_msg=path.name)
        tags, kept = read_tags(path), read_tags(tmp_path / "out" / row.output)
        assert {name: kept.texts.get(name) for name in tags.texts} == tags.texts, path.name
        formats.add((before.container, before.subtype, rate, len(before.samples)))
    assert len(formats) >= 10


def test_a_wav_that_would_pass_4_gib_becomes_rf64_under_its_name() -> None:
    sound = Recording(samples=np.zeros((2, 0), np.int32), sample_rate=RATE, container="WAV", subtype="PCM_24")
    assert choose_target(sound, 2**29, "same") == Target("WAV", "PCM_24")
    assert choose_target(sound, 2**30, "same") == Target("RF64", "PCM_24")
    assert choose_target(sound, 2**29, "same", more_bytes=2**30) == Target("RF64", "PCM_24")
    assert choose_target(replace(sound, container="MP3", subtype="MPEG_LAYER_III"), 2**30, "wav").suffix == ".wav"
    assert choose_target(replace(sound, container="W64"), 2**40, "same") == Target("W64", "PCM_24")
