import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from inpaint_ray.audio.decode import Recording, read_recording
from inpaint_ray.audio.encode import encode
from inpaint_ray.audio.metrics import snr
from inpaint_ray.restore.archive import SourceFile
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.excerpts import EXCERPT_S, cut_excerpts, excerpt_uris
from inpaint_ray.restore.manifest import ManifestRow, read_rows
from inpaint_ray.restore.restorer import Restorer, restore_bytes, restore_recording

RATE = 8000
GAP = slice(4000, 4080)  # 10 ms
CONFIG = RestoreConfig(input="in", output="out")
LABELS = f"{GAP.start / RATE}\t{GAP.stop / RATE}\tdropout\n"


def make_tones(channels: int = 1, seconds: float = 1.0) -> np.ndarray:
    """(channels, n) float64 chords, nowhere zero for long."""
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


def source_of(name: str, data: bytes = b"", **fields: object) -> SourceFile:
    return SourceFile(uri=name, name=name, size=len(data), settings="s", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("name", "container", "subtype"),
    [
        ("a.wav", "WAV", "PCM_16"),
        ("a.wav", "WAV", "PCM_24"),
        ("a.wav", "WAV", "PCM_U8"),
        ("a.wav", "WAV", "PCM_32"),
        ("a.wav", "WAV", "FLOAT"),
        ("a.wav", "WAV", "DOUBLE"),
        ("a.flac", "FLAC", "PCM_16"),
        ("a.flac", "FLAC", "PCM_24"),
        ("a.aiff", "AIFF", "PCM_16"),
    ],
)
def test_only_lost_samples_change_and_the_format_stays(name: str, container: str, subtype: str, channels: int) -> None:
    data = make_damaged(channels, container, subtype)
    result = restore_bytes(data, source_of(name, data, labels=LABELS), CONFIG)
    before, after = read_recording(data), read_recording(result.data)
    assert (after.container, after.subtype, after.sample_rate) == (container, subtype, RATE)
    known = np.ones(before.num_samples, dtype=bool)
    known[GAP] = False
    np.testing.assert_array_equal(after.samples[:, known], before.samples[:, known])
    assert after.samples[:, GAP].any(axis=1).all()
    row = result.row
    assert (row.status, row.output, row.gaps, row.samples_replaced) == ("restored", name, 1, 80 * channels)
    assert (row.channels, row.seconds, row.longest_gap_s, row.filled_s) == (channels, 1.0, 0.01, 0.01)


def test_a_found_gap_is_filled_with_about_what_was_there() -> None:
    data = make_damaged(2, "FLAC", "PCM_24")
    result = restore_bytes(data, source_of("a.flac", data), CONFIG)
    after = read_recording(result.data).to_float()
    assert result.row.samples_replaced in range(156, 161)  # 80 in each channel, but for zero crossings at the edges
    assert snr(torch.from_numpy(after[:, GAP]), torch.from_numpy(make_tones(2)[:, GAP])) > 30


def test_samples_that_are_not_finite_are_gaps() -> None:
    samples = make_tones(1)
    samples[:, GAP] = np.nan
    data = write(samples, "WAV", "FLOAT")
    result = restore_bytes(data, source_of("a.wav", data), CONFIG)
    after = read_recording(result.data).samples
    assert (result.row.status, result.row.samples_replaced) == ("restored", 80)
    assert np.isfinite(after).all()


def test_a_file_without_gaps_is_copied_byte_for_byte() -> None:
    data = write(make_tones(2), "OGG", "VORBIS")
    result = restore_bytes(data, source_of("a.ogg", data), CONFIG)
    assert (result.row.status, result.row.output, result.row.error) == ("unchanged", "a.ogg", "")
    assert result.data == data and result.excerpts is None


def test_a_silent_file_is_copied_and_says_so() -> None:
    data = write(np.zeros((1, RATE)), "WAV", "PCM_16")
    result = restore_bytes(data, source_of("a.wav", data), CONFIG)
    assert result.row.status == "unchanged" and result.row.error.startswith("silent") and result.data == data


@pytest.mark.parametrize("container", ["MP3", "OGG"])
def test_a_lossy_file_becomes_flac_equal_to_what_it_decodes_to(container: str) -> None:
    data = write(make_tones(2), container, "MPEG_LAYER_III" if container == "MP3" else "VORBIS")
    name = f"a.{container.lower()}"
    result = restore_bytes(data, source_of(name, data, labels=LABELS), CONFIG)
    before, after = read_recording(data), read_recording(result.data)
    assert result.row.output == f"{name}.flac" and after.subtype == "PCM_24"
    known = np.ones(before.num_samples, dtype=bool)
    known[GAP] = False
    steps = np.rint(before.samples[:, known].astype(np.float64) * 2**23).astype(np.int64) << 8
    np.testing.assert_array_equal(after.samples[:, known], steps)
    assert (after.samples[:, GAP] != np.rint(before.samples[:, GAP] * 2.0**23) * 2**8).any()


def test_wav_output_holds_lossy_audio_exactly() -> None:
    data = write(make_tones(1), "MP3", "MPEG_LAYER_III")
    config = RestoreConfig(input="in", output="out", output_format="wav")
    result = restore_bytes(data, source_of("a.mp3", data, labels=LABELS), config)
    before, after = read_recording(data), read_recording(result.data)
    assert (result.row.output, after.subtype) == ("a.mp3.wav", "FLOAT")
    np.testing.assert_array_equal(after.samples[:, : GAP.start], before.samples[:, : GAP.start])


def test_flac_output_keeps_every_known_sample_of_a_wav() -> None:
    data = make_damaged(2, "WAV", "PCM_24")
    config = RestoreConfig(input="in", output="out", output_format="flac")
    result = restore_bytes(data, source_of("a.wav", data, labels=LABELS), config)
    before, after = read_recording(data), read_recording(result.data)
    assert (result.row.output, after.container, after.subtype) == ("a.wav.flac", "FLAC", "PCM_24")
    np.testing.assert_array_equal(after.samples[:, GAP.stop :], before.samples[:, GAP.stop :])


def test_a_gap_longer_than_a_second_stays_silent_and_is_told() -> None:
    samples = make_tones(1, seconds=4)
    samples[:, GAP] = 0
    samples[:, 2 * RATE : 3 * RATE + 400] = 0
    data = write(samples, "WAV", "PCM_16")
    labels = LABELS + "2.0\t3.05\tlong\n"
    row = restore_bytes(data, source_of("a.wav", data, labels=labels), CONFIG).row
    assert (row.status, row.gaps, row.samples_replaced) == ("partly", 2, 80)
    assert row.longest_gap_s == pytest.approx(1.05)
    assert row.error == "left silent: 1 gap longer than 1 s, 1.05 s in all"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"this is no audio" * 100, "not readable as audio"),
        (make_damaged()[:8000], "truncated"),
        (write(np.full((1, RATE), np.nan), "WAV", "FLOAT"), "all of it is lost"),
    ],
)
def test_a_bad_file_is_a_row_with_its_reason(data: bytes, reason: str) -> None:
    result = restore_bytes(data, source_of("a.wav", data), CONFIG)
    assert result.row.status == "failed" and reason in result.row.error and "\n" not in result.row.error
    assert (result.row.output, result.data) == ("", b"")


def test_what_flac_cannot_hold_is_a_failed_row() -> None:
    data = make_damaged(1, "WAV", "FLOAT")
    config = RestoreConfig(input="in", output="out", output_format="flac")
    row = restore_bytes(data, source_of("a.wav", data, labels=LABELS), config).row
    assert row.status == "failed" and "--output-format" in row.error


@pytest.mark.parametrize("name", ["../x.wav", "/x.wav", "a/../../x.wav", "_restore/x.wav"])
def test_a_name_that_leads_out_of_the_output_is_refused(name: str) -> None:
    data = make_damaged()
    row = restore_bytes(data, source_of(name, data), CONFIG).row
    assert row.status == "failed" and row.output == "" and "would l" in row.error


def test_a_result_does_not_take_the_name_of_another_file() -> None:
    data = write(make_tones(1), "MP3", "MPEG_LAYER_III")
    row = restore_bytes(data, source_of("a.mp3", data, labels=LABELS, taken=("a.mp3.flac",)), CONFIG).row
    assert row.status == "failed" and "another file" in row.error


def test_a_damaged_label_track_is_a_failed_row() -> None:
    data = make_damaged()
    row = restore_bytes(data, source_of("a.wav", data, labels="one\ttwo\n"), CONFIG).row
    assert row.status == "failed" and "line 1 of the label track" in row.error


def test_restoring_a_recording_leaves_the_input_alone() -> None:
    recording = read_recording(make_damaged(2))
    before = recording.samples.copy()
    lost = np.zeros(before.shape, dtype=bool)
    lost[0, GAP] = True
    restored = restore_recording(recording, lost, method="linear")
    np.testing.assert_array_equal(recording.samples, before)
    np.testing.assert_array_equal(restored.samples[1], before[1])
    assert restored.samples[0, GAP].any()


class TestActor:
    """`Restorer` on folders, without Ray."""

    def restore(self, folder: Path, name: str, data: bytes, **options: object) -> ManifestRow:
        config = RestoreConfig(input=str(folder / "in"), output=str(folder / "out"), **options)  # type: ignore[arg-type]
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        row = {"uri": str(path), "name": name, "size": len(data), "settings": "s", "labels": None}
        return ManifestRow(**Restorer(config)({**row, "replaces": "", "taken": []}))

    def test_writes_the_output_its_excerpts_and_its_row(self, tmp_path: Path) -> None:
        row = self.restore(tmp_path, "sub/a.flac", make_damaged(2, "FLAC"))
        output = tmp_path / "out"
        assert (output / "sub/a.flac").stat().st_size == row.output_size
        assert read_rows(str(output)) == [row]
        for uri in excerpt_uris(str(output), "sub/a.flac"):
            assert read_recording(Path(uri).read_bytes()).duration_s == 1.0 < EXCERPT_S

    def test_a_dry_run_writes_nothing(self, tmp_path: Path) -> None:
        row = self.restore(tmp_path, "a.flac", make_damaged(2, "FLAC"), dry_run=True)
        assert (row.status, row.gaps, row.output) == ("restored", 1, "")
        assert not (tmp_path / "out").exists()

    def test_a_file_that_is_gone_is_a_failed_row(self, tmp_path: Path) -> None:
        config = RestoreConfig(input="in", output=str(tmp_path / "out"))
        row = Restorer(config)({"uri": str(tmp_path / "gone.wav"), "name": "gone.wav", "size": 9})
        assert row["status"] == "failed" and row["error"] == "gone since the archive was listed"

    def test_replaces_what_an_earlier_run_wrote_under_another_name(self, tmp_path: Path) -> None:
        stale = tmp_path / "out" / "a.wav.flac"
        stale.parent.mkdir()
        stale.write_bytes(b"old")
        (tmp_path / "a.wav").write_bytes(make_damaged())
        config = RestoreConfig(input=str(tmp_path), output=str(tmp_path / "out"))
        Restorer(config)({"uri": str(tmp_path / "a.wav"), "name": "a.wav", "size": 9, "replaces": "a.wav.flac"})
        assert not stale.exists() and (tmp_path / "out" / "a.wav").exists()


def test_rows_are_json() -> None:
    row = restore_bytes(make_damaged(), source_of("a.wav"), CONFIG).row
    assert json.loads(json.dumps(row.__dict__)) == row.__dict__


def test_high_rates_are_resampled_for_the_page() -> None:
    samples = (make_tones(4, seconds=1) * 2**31).astype(np.int32)
    recording = Recording(samples=samples, sample_rate=96_000, container="WAV", subtype="PCM_24")
    assert encode(recording)
    filled = np.zeros(samples.shape, dtype=bool)
    filled[:, 100:200] = True
    damaged, restored = (read_recording(sound) for sound in cut_excerpts(recording, recording, filled))
    assert (damaged.sample_rate, damaged.num_samples, len(damaged.samples)) == (48_000, 4000, 1)
    np.testing.assert_array_equal(damaged.samples, restored.samples)
