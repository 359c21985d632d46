import io
import math
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inpaint_ray.audio.decode import decode, join_blocks, read_blocks, read_recording
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


@pytest.mark.parametrize("container", ["WAV", "RF64", "AIFF", "MP3"])
def test_a_file_cut_in_half_is_refused_with_the_length_that_is_there(container: str) -> None:
    data = file_of(tone(2.0), container, "MPEG_LAYER_III" if container == "MP3" else "PCM_16")
    with pytest.raises(AudioDecodeError, match=r"truncated: (0\.\d|1\.0)\d of 2\.0\d seconds"):
        decode(data[: len(data) // 2])


def test_flac_cut_in_half_is_refused_as_unreadable() -> None:
    data = file_of(tone(2.0), "FLAC")
    with pytest.raises(AudioDecodeError, match="not readable as audio: "):
        decode(data[: len(data) // 2])


def test_a_file_cut_within_its_header_is_not_said_to_be_absent() -> None:
    with pytest.raises(AudioDecodeError, match="ends before its first frame of sound") as error:
        decode(file_of(tone(), "MP3", "MPEG_LAYER_III")[:700])
    assert "exist" not in str(error.value) and "pipe" not in str(error.value)


UNKNOWN = 2**32 - 1
STREAMED = {  # sizes of the whole and of the sound, as read from what the programs wrote to a pipe
    "ffmpeg": (UNKNOWN, UNKNOWN),
    "sox": (0x7FFFF024, 0x7FFFF000),
    "sox, 24 bits": (0x7FFFF044, 0x7FFFEFFC),
    "zeros": (0, 0),
    "never closed": (36, 0),
    "largest int": (2**31 - 1, 2**31 - 1),
    "oggdec": (2**31 - 9, 2**31 - 45),
    "less the header": (UNKNOWN, UNKNOWN - 36),
}


@pytest.mark.parametrize(("whole", "sound"), STREAMED.values(), ids=STREAMED)
@pytest.mark.parametrize("lead", [0, 2 * RATE], ids=["music", "silence first"])
def test_wav_of_unknown_length_is_read_to_its_end(tmp_path: Path, whole: int, sound: int, lead: int) -> None:
    samples = np.concatenate([np.zeros((2, lead)), tone()], axis=1)
    data = file_of(samples)
    data = data[:4] + struct.pack("<I", whole) + data[8:40] + struct.pack("<I", sound) + data[44:]
    (tmp_path / "a.wav").write_bytes(data)
    for source in (data, tmp_path / "a.wav"):
        recording = join_blocks(list(read_blocks(source)))
        np.testing.assert_array_equal(recording.samples, np.rint(samples * 2**31).astype(np.int32))


def test_other_formats_of_unknown_length_are_read_to_their_end() -> None:
    """Pipes that ffmpeg wrote to: RF64 with zeros in ds64, AIFF without sizes, AU and FLAC without a length."""
    rf64, aiff, au, flac = (file_of(tone(), container) for container in ("RF64", "AIFF", "AU", "FLAC"))
    sound = aiff.index(b"SSND")
    streamed = [
        rf64[:20] + bytes(28) + rf64[48:],
        aiff[:4] + bytes(4) + aiff[8:22] + bytes(4) + aiff[26 : sound + 4] + bytes(4) + aiff[sound + 8 :],
        au[:8] + b"\xff" * 4 + au[12:],
        flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:],
    ]
    for data in streamed:
        np.testing.assert_array_equal(read_recording(data).samples, np.rint(tone() * 2**31).astype(np.int32))


@pytest.mark.parametrize("sound", [2**31 - 1000, 2**30, 0x7FFF0000])
def test_a_large_recording_that_is_cut_off_is_not_taken_for_a_stream(sound: int) -> None:
    data = file_of(tone())
    with pytest.raises(AudioDecodeError, match="truncated"):
        decode(data[:4] + struct.pack("<I", sound + 36) + data[8:40] + struct.pack("<I", sound) + data[44:])


def test_a_file_without_a_single_sample_is_refused() -> None:
    with pytest.raises(AudioDecodeError, match="no samples"):
        decode(file_of(np.zeros((1, 0))))


def test_samples_that_are_not_finite_are_refused() -> None:
    samples = tone()
    samples[0, 7] = np.nan
    with pytest.raises(AudioDecodeError, match="not finite"):
        decode(file_of(samples, "WAV", "FLOAT"))
