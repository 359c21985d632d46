"""Kinds of damage beside dropouts through a restoration: events, formats, headroom, and the way back."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from inpaint_ray.audio.runs import find_runs
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.manifest import FOLDER, ManifestRow
from inpaint_ray.restore.undo import UndoConfig, undo
from tests.finding.sounds import RATE, noisy_music
from tests.support.restoring import read_rows, restore_here

LEVEL = 0.4


@pytest.fixture
def clean() -> np.ndarray:
    sound = noisy_music()
    return 0.9 * sound / np.abs(sound).max() + 1e-4 * np.random.default_rng(0).standard_normal(sound.shape)


def clipped_file(path: Path, clean: np.ndarray, subtype: str = "PCM_16") -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(clean, -LEVEL, LEVEL).T, RATE, subtype)
    return soundfile.read(path, always_2d=True)[0].T


def restore_one(folder: Path, **options: object) -> ManifestRow:
    config = RestoreConfig(input=str(folder / "in"), output=str(folder / "out"), **options)  # type: ignore[arg-type]
    assert restore_here(config) == 0
    (row,) = read_rows(folder / "out")
    return row


@pytest.mark.parametrize(("suffix", "subtype", "becomes"), [("wav", "PCM_16", "FLOAT"), ("flac", "PCM_24", "FLOAT")])
def test_clipping_is_restored_in_floats_beyond_its_level_and_can_be_undone(
    tmp_path: Path, clean: np.ndarray, suffix: str, subtype: str, becomes: str
) -> None:
    damaged = clipped_file(tmp_path / "in" / f"a.{suffix}", clean, subtype)
    row = restore_one(tmp_path, find=("clipping",))
    restored, rate = soundfile.read(tmp_path / "out" / row.output, always_2d=True)
    assert soundfile.info(tmp_path / "out" / row.output).subtype == becomes and rate == RATE
    assert set(row.kinds) == {"clipped"} and row.least_confidence > 0.7 and "written as floats" in row.error
    lost = np.abs(damaged) > LEVEL - 2 / 2**15
    assert np.array_equal(restored.T[~lost], damaged[~lost])
    assert (np.abs(restored.T) >= np.abs(damaged)).all() and np.abs(restored).max() > 1.2 * LEVEL
    error, before = (float(np.sum((each - clean) ** 2)) for each in (restored.T, damaged))
    assert 10 * np.log10(before / error) > 6
    assert undo(UndoConfig(output=str(tmp_path / "out"), to=str(tmp_path / "back"))) == 0
    back = soundfile.read(tmp_path / "back" / row.output, always_2d=True)[0].T
    assert np.array_equal(back, damaged)


def test_headroom_keeps_integers_lowers_the_whole_file_and_is_not_undone(
    tmp_path: Path, clean: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = clipped_file(tmp_path / "in" / "a.wav", clean)
    row = restore_one(tmp_path, find=("clipping",), headroom_db=12.0)
    restored = soundfile.read(tmp_path / "out" / "a.wav", always_2d=True)[0].T
    assert soundfile.info(tmp_path / "out" / "a.wav").subtype == "PCM_16" and row.headroom_db == 12
    lost = np.abs(damaged) > LEVEL - 2 / 2**15
    assert np.abs(restored[~lost] - 10 ** (-12 / 20) * damaged[~lost]).max() <= 0.51 / 2**15
    assert "12 dB lower" in row.error
    assert undo(UndoConfig(output=str(tmp_path / "out"), to=str(tmp_path / "back"))) == 3
    assert "without --headroom-db" in capsys.readouterr().out


def test_every_kind_is_counted_and_undamaged_samples_stay(tmp_path: Path, clean: np.ndarray) -> None:
    damaged = np.rint(0.5 * clean * 2**15) / 2**15
    damaged[0, 20_000:20_040] = damaged[0, 19_999]
    damaged[0, 40_000:40_020] = 0
    damaged[0, 60_000:60_400] = 0
    damaged[0, 90_000:90_004] += [0.4, -0.3, 0.2, -0.1]
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.wav", damaged.T, RATE, "PCM_16")
    row = restore_one(tmp_path, find=("dropouts", "clicks"), sensitivity=0.2)  # at 0.3 an onset is a click, too
    assert {"held", "muted", "zeros", "click"} == set(row.kinds)
    restored = soundfile.read(tmp_path / "out" / "a.wav", always_2d=True)[0].T
    starts, stops = find_runs((restored != damaged)[0])
    places = np.array([20_000, 40_000, 60_000, 90_000])
    assert all(np.abs(places - start).min() < 450 for start in starts)
    assert (tmp_path / "out" / FOLDER / "report.html").read_text().count("least confidence") == 1
