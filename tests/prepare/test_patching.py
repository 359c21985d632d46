"""One track's bytes to its patches."""

import io

import numpy as np
import pytest
import soundfile
import torch

from inpaint_ray.audio.patches import to_patches
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.prepare.patching import GRID, cut_patches, read_clip


def _wav(seconds: float, sample_rate: int = 16_000, channels: int = 1, amplitude: float = 0.1) -> bytes:
    samples = np.random.default_rng(0).normal(0, amplitude, (round(seconds * sample_rate), channels)).clip(-1, 1)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def _patches(data: bytes, *, whole: bool = False) -> np.ndarray:
    return np.concatenate(list(cut_patches(read_clip(data, whole=whole)[0])))


@pytest.mark.parametrize(
    ("seconds", "num_patches"),
    [(30.0, 58), (29.977, 58), (29.0, 58), (28.9, 56), (10.0, 19), (1.0, 1), (35.0, 58)],
)
def test_a_clip_gives_as_many_patches_as_in_the_reference(seconds: float, num_patches: int) -> None:
    patches = _patches(_wav(seconds))
    assert patches.shape == (num_patches, 128, 128)
    assert patches.dtype == np.float32


def test_a_longer_track_gives_all_of_itself_where_that_is_asked_for() -> None:
    """Cut in stretches, and the same as cut at once."""
    clip, seconds = read_clip(_wav(100.0), whole=True)
    patches = np.concatenate(list(cut_patches(clip)))
    assert seconds == pytest.approx(100.0) and len(patches) == 195
    np.testing.assert_array_equal(patches, to_patches(spectrogram(torch.from_numpy(clip), GRID)).numpy())


def test_the_first_seconds_do_not_depend_on_how_much_is_read() -> None:
    data = _wav(65.0, sample_rate=44_100, channels=2)
    np.testing.assert_array_equal(read_clip(data)[0], read_clip(data, whole=True)[0][: 30 * 16_000])


def test_stereo_at_another_rate_becomes_mono_at_16_khz() -> None:
    data = _wav(3.0, sample_rate=44_100, channels=2)
    assert _patches(data).shape == (5, 128, 128)
    assert read_clip(data)[1] == pytest.approx(3.0)


def test_a_full_scale_tone_stays_below_the_largest_magnitude_there_can_be() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(32_000) / 16_000)
    buffer = io.BytesIO()
    soundfile.write(buffer, tone, 16_000, format="WAV", subtype="FLOAT")
    assert 60 < _patches(buffer.getvalue()).max() <= 128  # half the window's sum, 64, for a sine; 128 for a constant


@pytest.mark.parametrize(
    ("seconds", "expected_s", "cut_off"), [(40.0, 60.0, True), (40.0, 40.2, False), (30.0, 200.0, False)]
)
def test_a_whole_song_that_lacks_its_end_is_told_from_a_clip(seconds: float, expected_s: float, cut_off: bool) -> None:
    if cut_off:
        with pytest.raises(AudioDecodeError, match="truncated: 40.00 of 60.00 seconds"):
            read_clip(_wav(seconds), whole=True, expected_s=expected_s)
    else:
        assert read_clip(_wav(seconds), whole=True, expected_s=expected_s)[1] == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"not audio at all" * 100, "not readable as audio"),
        (_wav(0.5), "too short: 0.50 seconds"),
        (_wav(3.0, amplitude=0.0), "silent: all of its 3.00 seconds"),
        (_wav(3.0)[:40_000], "truncated: 1.25 of 3.00 seconds"),
    ],
)
def test_a_file_that_gives_nothing_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(AudioDecodeError, match=reason):
        read_clip(data)
