"""Dropouts that were encoded lossily are found nearly to the sample, and none in sound that is whole."""

import io

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from inpaint_ray.finding.registry import find_events
from inpaint_ray.finding.smeared import Smeared
from tests.finding.sounds import RATE, noisy_music

STARTS = (30_000, 60_000, 95_000)


def encode(samples: NDArray, container: str, subtype: str) -> NDArray:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, RATE, format=container, subtype=subtype)
    buffer.seek(0)
    return soundfile.read(buffer, always_2d=True)[0].T


def find_in(samples: NDArray, cuts: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    detector = Smeared(RATE)
    found = [event for block in np.split(samples, cuts, axis=1) for event in detector.look(block)]
    return [(event.start, event.stop) for event in [*found, *detector.finish()]]


@pytest.mark.parametrize(("container", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")])
@pytest.mark.parametrize("milliseconds", [60, 255])
def test_silence_from_before_encoding_is_found(container: str, subtype: str, milliseconds: int) -> None:
    samples, length = noisy_music(), round(milliseconds * RATE / 1000)
    samples += 0.2 * np.sin(2 * np.pi * 330 * np.arange(samples.shape[1]) / RATE)  # which sounds on across a gap
    for start in STARTS:
        samples[:, start : start + length] = 0
    sound = encode(samples, container, subtype)
    found = find_in(sound)
    expected = [(start, start + length) for start in STARTS]
    assert np.abs(np.array(found) - expected).max() < 0.005 * RATE
    assert find_in(sound, (1, 500, 30_010, 61_000, 61_001, 100_000)) == found
    events = find_events([sound], RATE, lossy=True)
    assert [(event.start, event.stop, event.kind) for event in events] == [(*each, "muted") for each in found]


def test_whole_sound_has_no_event() -> None:
    music = noisy_music()
    fading = music * np.exp(-np.arange(music.shape[1]) / RATE * 4)[None]
    pause = np.concatenate([fading, np.zeros((1, RATE)), music], axis=1)  # dies away, is silent, begins again
    for sound in (music, fading, pause, np.zeros((1, RATE)), music[:, :100]):
        for name in (("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")):
            assert find_in(encode(sound, *name)) == []
