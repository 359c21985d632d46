import io
import math

import numpy as np
import pytest
import soundfile

from inpaint_ray.audio.decode import decode, read_recording
from inpaint_ray.errors import AudioDecodeError

RATE = 44_100
EXACT = [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")]
EXACT += [("AIFF", "PCM_16"), ("AIFF", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("W64", "PCM_16")]
LOSSY = [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")]


def tone(seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    """Two channels, (2, n), whose values are whole steps of 16 bits."""
    time = np.arange(int(seconds * rate)) / rate
    channels = np.stack([0.5 * np.sin(2 * np.pi * 440 * time), 0.25 * np.cos(2 * np.pi * 660 * time)])
    return np.round(channels * 2**15) / 2**15


def file_of(samples: np.ndarray, container: str = "WAV", subtype: str = "PCM_16", rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, rate, format=container, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize(("container", "subtype"), EXACT)
def test_lossless_formats_give_back_every_sample(container: str, subtype: str) -> None:
    samples, rate = decode(file_of(tone(), container, subtype))
    assert rate == RATE and samples.dtype == np.float32
    np.testing.assert_array_equal(samples, tone().astype(np.float32))


@pytest.mark.parametrize(("container", "subtype"), LOSSY)
def test_lossy_formats_give_back_nearly_the_same_sound(container: str, subtype: str) -> None:
    samples, rate = decode(file_of(tone(), container, subtype))
    assert rate == RATE and samples.shape[0] == 2
    assert abs(samples.shape[1] - tone().shape[1]) < 2400  # encoder delay and padding
    assert np.sqrt(np.mean(samples[0] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_a_recording_keeps_the_subtype_and_left_justified_integers() -> None:
    recording = read_recording(file_of(tone(), "FLAC", "PCM_24"))
    assert (recording.container, recording.subtype, recording.sample_rate) == ("FLAC", "PCM_24", RATE)
    np.testing.assert_array_equal(recording.samples, np.rint(tone() * 2**31).astype(np.int32))


def test_thirty_two_bit_integers_become_floats_without_loss() -> None:
    values = np.array([[-(2**31), -1, 0, 1, 2**31 - 1] * 100], dtype=np.int32)
    recording = read_recording(file_of(values, "WAV", "PCM_32"))
    np.testing.assert_array_equal(recording.to_float() * 2.0**31, values)


def test_mono_is_the_mean_of_the_channels() -> None:
    samples, _ = decode(file_of(tone()), mono=True)
    np.testing.assert_allclose(samples, tone().mean(axis=0, keepdims=True), atol=1e-7)


def test_resampling_keeps_the_duration_and_the_tone() -> None:
    samples, rate = decode(file_of(tone()), mono=True, sample_rate=16_000)
    time = np.arange(8000) / 16_000
    expected = 0.25 * np.sin(2 * np.pi * 440 * time) + 0.125 * np.cos(2 * np.pi * 660 * time)
    assert rate == 16_000 and samples.shape == (1, 8000) and samples.dtype == np.float32
    np.testing.assert_allclose(samples[0, 100:-100], expected[100:-100], atol=2e-3)


@pytest.mark.parametrize("rate", [44_100, 48_000, 11_025, 44_101])
def test_resampling_by_blocks_gives_what_resampling_at_once_gives(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """44,101 Hz has no common factor with 16 kHz: torchaudio's table of filters would take 2.8 GB."""
    data = file_of(tone(8.0, rate), rate=rate)
    at_once, _ = decode(data, mono=True, sample_rate=16_000)
    monkeypatch.setattr("inpaint_ray.audio.decode.BLOCK_VALUES", 2 * 50_000)
    by_blocks, _ = decode(data, mono=True, sample_rate=16_000)
    assert at_once.shape == by_blocks.shape == (1, math.ceil(int(8.0 * rate) * 16_000 / rate))
    np.testing.assert_allclose(by_blocks, at_once, atol=1e-6)


def test_no_more_is_decoded_than_is_asked_for() -> None:
    data = file_of(tone(2.0))
    np.testing.assert_array_equal(decode(data, longest_s=0.5)[0], decode(data)[0][:, : RATE // 2])


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty"), (b"not audio at all" * 100, "not readable as audio"), (b"RIFF", "not readable as audio")],
)
def test_bytes_that_are_no_audio_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(AudioDecodeError, match=reason):
        decode(data)


@pytest.mark.parametrize(("container", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")])
def test_a_file_cut_in_half_is_refused_with_the_reason(container: str, subtype: str) -> None:
    data = file_of(tone(2.0), container, subtype)
    with pytest.raises(AudioDecodeError, match="truncated|not readable"):
        decode(data[: len(data) // 2])


def test_a_file_without_a_single_sample_is_refused() -> None:
    with pytest.raises(AudioDecodeError, match="no samples"):
        decode(file_of(np.zeros((1, 0))))


def test_samples_that_are_not_finite_are_refused() -> None:
    samples = tone()
    samples[0, 7] = np.nan
    with pytest.raises(AudioDecodeError, match="not finite"):
        decode(file_of(samples, "WAV", "FLOAT"))
