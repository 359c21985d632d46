"""Bytes of any format that libsndfile reads -> samples.

Shapes: samples are (channels, n), as everywhere in this package.
"""

import io
from dataclasses import dataclass

import numpy as np
import soundfile
import torch
import torchaudio.functional
from numpy.typing import NDArray

from inpaint_ray.errors import AudioDecodeError

INTEGER_SUBTYPES = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}  # subtype -> bits
TRUNCATED_BELOW = 0.99  # share of the announced length; encoder delay and padding explain the rest


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Audio exactly as a file holds it, so that untouched samples can be written back bit for bit."""

    samples: (
        NDArray  # (channels, n): int32, left-justified, for integer subtypes; float64 for DOUBLE; float32 for the rest
    )
    sample_rate: int  # Hz
    container: str  # libsndfile's major format: WAV, FLAC, OGG, MP3, ...
    subtype: str  # PCM_16, FLOAT, VORBIS, ...

    @property
    def num_samples(self) -> int:
        return self.samples.shape[1]

    @property
    def duration_s(self) -> float:
        return self.num_samples / self.sample_rate

    def to_float(self) -> NDArray:
        """Samples in [-1, 1): float64 for integers of more than 24 bits and for DOUBLE, float32 otherwise."""
        if self.samples.dtype != np.int32:
            return self.samples
        dtype = np.float64 if INTEGER_SUBTYPES[self.subtype] > 24 else np.float32
        return np.multiply(self.samples, 2.0**-31, dtype=dtype)


def read_recording(data: bytes) -> Recording:
    """The recording in the bytes of a file, every sample as stored.

    Raises:
        AudioDecodeError: the bytes are empty, not audio, cut off, or without a single sample.
    """
    if not data:
        raise AudioDecodeError("empty file")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            announced, subtype, container, sample_rate = file.frames, file.subtype, file.format, file.samplerate
            dtype = "int32" if subtype in INTEGER_SUBTYPES else "float64" if subtype == "DOUBLE" else "float32"
            samples = file.read(dtype=dtype, always_2d=True).T
    except (soundfile.SoundFileError, ValueError, MemoryError) as error:
        raise AudioDecodeError(f"not readable as audio: {str(error).split(': ', 1)[-1]}") from error
    announced = max(announced, _riff_frames(data, samples.shape[1]))
    if samples.shape[1] < TRUNCATED_BELOW * announced:
        raise AudioDecodeError(
            f"truncated: {samples.shape[1] / sample_rate:.2f} of {announced / sample_rate:.2f} seconds"
        )
    if samples.shape[1] == 0:
        raise AudioDecodeError("no samples")
    return Recording(
        samples=np.ascontiguousarray(samples), sample_rate=sample_rate, container=container, subtype=subtype
    )


def decode(data: bytes, *, mono: bool = False, sample_rate: int | None = None) -> tuple[NDArray, int]:
    """Samples as float32 in (channels, n), and their rate in Hz.

    Args:
        data: the bytes of a whole file.
        mono: average the channels to one.
        sample_rate: resample to this rate in Hz; None keeps the file's own.

    Raises:
        AudioDecodeError: the bytes are empty, not audio, cut off, or hold samples that are not finite.
    """
    recording = read_recording(data)
    samples = recording.to_float().astype(np.float32, copy=False)
    if not np.isfinite(samples).all():
        raise AudioDecodeError("samples that are not finite (NaN or infinite)")
    if mono:
        samples = samples.mean(axis=0, keepdims=True)
    if sample_rate is None or sample_rate == recording.sample_rate:
        return samples, recording.sample_rate
    resampled = torchaudio.functional.resample(torch.from_numpy(samples), recording.sample_rate, sample_rate)
    return resampled.numpy(), sample_rate


def _riff_frames(data: bytes, num_read: int) -> int:
    """Frames that a RIFF header announces, which libsndfile clips to the file's end; 0 where it announces nothing."""
    if data[:4] != b"RIFF":
        return 0
    announced = int.from_bytes(data[4:8], "little") + 8
    streamed = announced in (8, 2**32 + 7)  # length not known when the header was written
    return 0 if streamed or announced <= len(data) + 1 else round(num_read * announced / len(data))
