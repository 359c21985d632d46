"""Excerpts on the page: in every container the original and the written sound, to the 16 bits that are played."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inpaint_ray.audio.decode import Recording, read_recording
from inpaint_ray.audio.encode import to_integers
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import DamagedRecord
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.excerpts import Excerpt, Place, cut_excerpts, make_excerpt
from inpaint_ray.restore.gap_table import GAPS
from inpaint_ray.restore.manifest import FOLDER
from inpaint_ray.restore.report import REPORT
from inpaint_ray.restore.summary import SUMMARY
from tests.support.restoring import read_rows, restore_here, write_damaged

RATE = 8_000
FORMATS = [("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("WAV", "DOUBLE"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")]
FORMATS += [("AIFF", "PCM_24"), ("W64", "FLOAT"), ("CAF", "PCM_32"), ("RF64", "PCM_16")]


def decoded(excerpt: Excerpt) -> tuple[np.ndarray, np.ndarray]:
    """The damaged and the restored sound as integers of 16 bits, (channels, n)."""
    data = base64.b64decode(excerpt.flac)
    restored = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)[0].T
    damaged = restored.copy()
    for channel, start, text in excerpt.patches:
        values = np.frombuffer(base64.b64decode(str(text)), "<i2")
        damaged[int(channel), int(start) : int(start) + len(values)] = values
    return damaged, restored


def restore_sound(folder: Path, sound: np.ndarray, container: str, subtype: str, **options: object) -> Ledger:
    """Restore (channels, n) as a file a.wav, whatever it is."""
    (folder / "in").mkdir()
    with (folder / "in" / "a.wav").open("wb") as file:
        soundfile.write(file, sound.T, RATE, format=container, subtype=subtype)
    config = RestoreConfig(input=str(folder / "in"), output=str(folder / "out"), method="linear", **options)  # type: ignore[arg-type]
    assert restore_here(config) == 0
    return Ledger(str(folder / "out"), FOLDER)


def cut(ledger: Ledger, *places: Place) -> list[Excerpt]:
    (row,) = read_rows(ledger.output)
    return cut_excerpts(ledger, row.name, row.output, row.record, places)


def make_sound(seconds: float = 4.0) -> np.ndarray:
    """Two channels with a gap of both at 2 s, one of the second channel 0.25 s later, and one near the end."""
    time = np.arange(int(seconds * RATE)) / RATE
    sound = np.stack([0.5 * np.sin(2 * np.pi * 441.3 * time), 0.3 * np.cos(2 * np.pi * 287 * time)])
    sound[:, 16_000:16_200] = 0
    sound[1, 18_000:18_100] = 0
    sound[0, -500:-300] = 0
    return sound


@pytest.mark.parametrize(("container", "subtype"), FORMATS, ids=["-".join(each) for each in FORMATS])
def test_an_excerpt_has_what_came_and_what_was_written(tmp_path: Path, container: str, subtype: str) -> None:
    ledger = restore_sound(tmp_path, make_sound(), container, subtype)
    places: list[Place] = [([0, 1], 16_000, 16_200), ([1], 18_000, 18_100), ([0], 31_500, 31_700)]
    excerpts = cut(ledger, *places)
    wholes = [read_recording((tmp_path / folder / "a.wav").read_bytes()) for folder in ("in", "out")]
    for excerpt, (channels, start, stop) in zip(excerpts, places, strict=True):
        first, last = start - RATE // 2, min(stop + RATE // 2, 32_000)
        assert (excerpt.rate, excerpt.first_s, excerpt.gain_db) == (RATE, first / RATE, 0)
        for found, whole in zip(decoded(excerpt), wholes, strict=True):
            expected = to_integers(whole.to_float()[channels, first:last], "PCM_16") >> 16
            np.testing.assert_array_equal(found, expected)
        assert excerpt.patches


def test_of_a_long_gap_the_beginning_is_played(tmp_path: Path) -> None:
    sound = make_sound(10.0)
    sound[:, 20_000:60_000] = 0
    (excerpt,) = cut(restore_sound(tmp_path, sound, "WAV", "PCM_16"), ([0, 1], 20_000, 60_000))
    assert decoded(excerpt)[0].shape == (2, 3 * RATE) and excerpt.first_s == 2.0


def test_what_is_above_full_scale_is_played_lower_and_not_cut_off() -> None:
    sound = 2.0 * np.sin(np.arange(8_000) / 5).astype(np.float32)[None]
    restored = Recording(samples=sound, sample_rate=8_000, container="WAV", subtype="FLOAT")
    damaged = Recording(samples=np.clip(sound, -1, 1), sample_rate=8_000, container="WAV", subtype="FLOAT")
    excerpt = make_excerpt(damaged, restored, [0], first=0)
    before, after = decoded(excerpt)
    assert excerpt.gain_db == pytest.approx(-6.02, abs=0.01)
    np.testing.assert_allclose(after / 2**14, sound, atol=2e-4)
    assert np.abs(before).max() == pytest.approx(2**14, abs=2)


def test_samples_that_are_no_numbers_are_played_as_silence_and_full_scale() -> None:
    samples = np.zeros((1, 100), dtype=np.float32)
    damaged = samples.copy()
    damaged[0, 10:13] = np.nan, np.inf, -np.inf
    pair = (Recording(samples=each, sample_rate=8_000, container="WAV", subtype="FLOAT") for each in (damaged, samples))
    before, after = decoded(make_excerpt(*pair, [0], first=0))
    assert list(before[0, 9:14]) == [0, 0, 2**15 - 1, -(2**15), 0] and not after.any()


@pytest.mark.parametrize(("rate", "played"), [(96_000, 48_000), (4_000, 8_000), (44_100, 44_100)])
def test_rates_that_no_browser_plays_are_converted(rate: int, played: int) -> None:
    random = np.random.default_rng(0)
    restored = to_integers(0.1 * random.standard_normal((3, rate)), "PCM_24")
    damaged = restored.copy()
    damaged[:, rate // 2 : rate // 2 + 50] = 0
    pair = (
        Recording(samples=each, sample_rate=rate, container="WAV", subtype="PCM_24") for each in (damaged, restored)
    )
    excerpt = make_excerpt(*pair, [2, 1, 0], first=rate)
    before, after = decoded(excerpt)
    assert (excerpt.rate, after.shape, excerpt.first_s) == (played, (2, played), 1.0)
    differs = np.flatnonzero((before != after).any(axis=0))
    assert played / 2 - 25 < differs[0] and differs[-1] < played / 2 + 50 * played / rate + 25


def test_the_page_has_no_more_excerpts_than_are_asked_for_and_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_damaged(tmp_path / "in" / "a.wav", gaps=20, seconds=25)
    config = {"input": str(tmp_path / "in"), "output": str(tmp_path / "out"), "method": "linear"}
    counts = []
    for options, most_bytes in (({}, 2**25), ({"report_excerpts": 7}, 2**25), ({"report_excerpts": 8}, 60_000)):
        monkeypatch.setattr("inpaint_ray.restore.report.MOST_BYTES", most_bytes)
        assert restore_here(RestoreConfig(**config | options)) == 0
        page = (tmp_path / "out" / REPORT).read_text()
        counts.append(page.count('id="excerpt-'))
        assert "20 of 20" not in page and json.loads((tmp_path / "out" / SUMMARY).read_text())["repairs"] == 20
    assert counts[:2] == [20, 7] and 1 <= counts[2] <= 6 and len(page) < 60_000 + 60_000


def test_files_and_records_that_are_gone_or_cut_off_are_told_and_leave_the_page_without_their_excerpts(
    tmp_path: Path,
) -> None:
    ledger = restore_sound(tmp_path, make_sound(), "WAV", "PCM_16")
    place: Place = ([0, 1], 16_000, 16_200)
    path = tmp_path / "out" / "a.wav"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 4])
    with pytest.raises(Exception, match="ends before|not readable"):
        cut(ledger, place)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        cut(ledger, place)
    path.write_bytes(data)
    (row,) = read_rows(ledger.output)
    with pytest.raises(DamagedRecord):
        cut_excerpts(ledger, row.name, row.output, "none", [place])
    (tmp_path / "out" / GAPS).unlink()
    path.write_bytes(b"x" * len(data))  # of the size that the record says: it is taken to stand
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"), method="linear")
    assert restore_here(config) == 0
    page = (tmp_path / "out" / REPORT).read_text()
    assert 'id="excerpt-' not in page and '"repairs": [[0, [0, 1], 16000, 16200,' in page


def test_the_summary_for_machines_adds_up(tmp_path: Path) -> None:
    restore_sound(tmp_path, make_sound(), "WAV", "PCM_16", report_excerpts=0)
    (tmp_path / "in" / "b.wav").write_bytes(b"x")
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"), method="linear", report_excerpts=0)
    assert restore_here(config) == 3
    found = json.loads((tmp_path / "out" / SUMMARY).read_text())
    assert found["files"] == 2 and found["status"] == {"failed": 1, "partly": 0, "restored": 1, "unchanged": 0}
    assert found["repairs"] == 4 == sum(each["repairs"] for each in found["trust"].values()) and found["gaps"] == 3
    assert found["seconds_filled"] == pytest.approx((2 * 200 + 100 + 200) / 2 / RATE, abs=2e-6)
    assert found["lost_percent"] == pytest.approx(100 * found["seconds_filled"] / 4, abs=1e-5)
    assert found["verdicts"] == {"failed": 1, "transfer again": 1, "good": 0}
    (again,) = found["transfer_again"]
    assert again["name"] == "a.wav" and again["dropouts_per_minute"] == 30.0
