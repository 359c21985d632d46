"""One track's bytes to its patches."""

import io

import numpy as np
import pytest
import soundfile

from inpaint_ray.data.patching import cut_patches
from inpaint_ray.errors import AudioDecodeError


def _wav(seconds: float, sample_rate: int = 16_000, channels: int = 1, amplitude: float = 0.1) -> bytes:
    samples = np.random.default_rng(0).normal(0, amplitude, (round(seconds * sample_rate), channels)).clip(-1, 1)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("seconds", "num_patches"),
    [(30.0, 58), (29.977, 58), (29.0, 58), (28.9, 56), (10.0, 19), (1.0, 1), (35.0, 58)],
)
def test_a_clip_gives_as_many_patches_as_in_the_reference(seconds: float, num_patches: int) -> None:
    patches, _ = cut_patches(_wav(seconds))
    assert patches.shape == (num_patches, 128, 128)
    assert patches.dtype == np.float32


def test_stereo_at_another_rate_becomes_mono_at_16_khz() -> None:
    patches, seconds = cut_patches(_wav(3.0, sample_rate=44_100, channels=2))
    assert patches.shape == (5, 128, 128)
    assert seconds == pytest.approx(3.0)


def test_a_full_scale_tone_stays_below_the_largest_magnitude_there_can_be() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(32_000) / 16_000)
    buffer = io.BytesIO()
    soundfile.write(buffer, tone, 16_000, format="WAV", subtype="FLOAT")
    patches, _ = cut_patches(buffer.getvalue())
    assert 60 < patches.max() <= 128  # half the window's sum, 64, for a sine; 128 for a constant


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
        cut_patches(data)
