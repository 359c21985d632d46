"""Undamaged sound of every kind that libsndfile writes has no gaps, and dropouts in it are found."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from inpaint_ray.audio.runs import Event
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.survey import survey_file

RATE = 16_000
CONTAINERS = ("WAV", "CAF", "AU", "XI", "FLAC")  # of a subtype, the first that has it
SUBTYPES = {
    subtype: next(name for name in CONTAINERS if subtype in soundfile.available_subtypes(name))
    for subtype in sorted({each for name in CONTAINERS for each in soundfile.available_subtypes(name)})
    if "MPEG" not in subtype
}
LOSSY = {"VORBIS": "OGG", "OPUS": "OGG", "MPEG_LAYER_III": "MP3"}
EXACT_ZEROS = ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAC_16", "ALAC_24")


def notes(peak: float, seconds: float = 3.0) -> NDArray[np.float64]:
    """Plucked notes that die away into each other, (n,)."""
    random, time = np.random.default_rng(0), np.arange(int(seconds * RATE)) / RATE
    sound = np.zeros(len(time))
    for start in np.arange(0, seconds, 0.25):
        hertz = 55 * 2 ** (random.integers(0, 36) / 12)
        since = np.maximum(time - start, 0)
        sound += (since > 0) * np.exp(-6 * since) * np.sin(2 * np.pi * hertz * since)
    return peak * sound / np.abs(sound).max()


def speech(peak: float) -> NDArray[np.float64]:
    """Pulses of a voice through a resonance, with pauses, over the noise of a room."""
    random, pulses = np.random.default_rng(0), np.zeros(3 * RATE)
    pulses[:: RATE // 120] = 1
    ringing = np.exp(-np.arange(400) / 48) * np.sin(np.arange(400) * 2 * np.pi * 600 / RATE)
    words = np.clip(3 * np.sin(2 * np.pi * 1.7 * np.arange(3 * RATE) / RATE), 0, 1)
    voice = np.convolve(pulses, ringing)[: 3 * RATE] * words
    return peak * voice / np.abs(voice).max() + 1e-4 * random.standard_normal(3 * RATE)


def square(peak: float) -> NDArray[np.float64]:
    return peak * np.sign(np.sin(2 * np.pi * 55.3 * np.arange(2 * RATE) / RATE + 0.1))


SOUNDS = {
    "quiet music": notes(0.02),
    "fades": notes(0.3) * np.sin(np.arange(3 * RATE) * np.pi / RATE) ** 4,
    "speech": speech(0.5),
    "quiet speech": speech(0.05),
    "square wave": square(0.01),
    "quiet square wave": square(0.003),
}


def gaps_of(folder: Path, sound: NDArray[np.float64], container: str, subtype: str, rate: int = RATE) -> list[Event]:
    soundfile.write(folder / "a.x", sound, rate, format=container, subtype=subtype)
    return survey_file(folder / "a.x", None, RestoreConfig(input="a", output="b")).gaps


@pytest.mark.parametrize(("subtype", "container"), {**SUBTYPES, **LOSSY}.items())
def test_undamaged_sound_has_no_gaps_in_any_subtype(tmp_path: Path, subtype: str, container: str) -> None:
    found = {name: len(gaps_of(tmp_path, sound, container, subtype)) for name, sound in SOUNDS.items()}
    assert found == dict.fromkeys(SOUNDS, 0)


@pytest.mark.parametrize("subtype", EXACT_ZEROS)
def test_dropouts_in_loud_music_are_found_in_every_subtype_that_holds_zeros(tmp_path: Path, subtype: str) -> None:
    sound = notes(0.9) + 0.2 * np.random.default_rng(1).standard_normal(3 * RATE)
    starts = range(4000, 40_000, 6000)
    for start in starts:
        sound[start : start + 200] = 0
    found = gaps_of(tmp_path, sound.clip(-1, 0.99), SUBTYPES[subtype], subtype)
    assert [gap.start for gap in found] == pytest.approx(list(starts), abs=3)
    assert [gap.stop - gap.start for gap in found] == pytest.approx([200] * len(starts), abs=4)


@pytest.mark.parametrize("bits", [8, 12])
def test_few_bits_in_a_finer_file_are_told_by_their_steps(tmp_path: Path, bits: int) -> None:
    for name, sound in SOUNDS.items():
        coarse = np.rint(sound * 2 ** (bits - 1)) / 2 ** (bits - 1)
        for subtype in ("PCM_16", "FLOAT"):
            assert gaps_of(tmp_path, coarse, "WAV", subtype) == [], name


@pytest.mark.parametrize(("subtype", "peak"), [("PCM_U8", 0.5), ("ULAW", 0.05), ("ALAW", 0.05), ("PCM_16", 0.01)])
def test_dropouts_in_quieter_music_are_found_as_far_as_steps_allow(tmp_path: Path, subtype: str, peak: float) -> None:
    sound = peak * (notes(1.0) + 0.5 * np.random.default_rng(1).standard_normal(3 * RATE)).clip(-1, 1)
    starts = range(4000, 40_000, 6000)
    for start in starts:
        sound[start : start + 200] = 0
    assert len(gaps_of(tmp_path, sound, SUBTYPES[subtype], subtype)) == len(starts)


def test_dropouts_in_chip_music_are_found_though_it_moves_in_large_steps(tmp_path: Path) -> None:
    """A saw of sixteen levels, which never holds one as long as a dropout."""
    phase = np.arange(3 * RATE) * 110.3 / RATE
    sound = 0.8 * (np.floor(16 * (phase % 1)) - 7.5) / 7.5
    for start in range(4000, 40_000, 6000):
        sound[start : start + 200] = 0
    assert len(gaps_of(tmp_path, sound, "WAV", "PCM_16")) >= 3  # the others begin or end where the saw is low
