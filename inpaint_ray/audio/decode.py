"""Decoding of audio files, or their bytes, in any format that libsndfile reads: whole, or in blocks.

Shapes: samples are (channels, n), as everywhere in this package.
"""

import io
import math
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from inpaint_ray.audio.chunks import announced_size, mend_stream
from inpaint_ray.errors import AudioDecodeError, UnreadableError

INTEGER_SUBTYPES = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}  # subtype -> bits
INTEGER_SUBTYPES |= {f"ALAC_{bits}": bits for bits in (16, 20, 24, 32)}
TRUNCATED_BELOW = 0.99  # share of the announced length; encoder delay and padding explain the rest
UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's count for streamed FLAC
BLOCK_VALUES = 2**20  # samples of all channels that are read at a time, so that no header's claim decides the memory
SYSTEM_ERROR = 2  # of libsndfile: the file could not be opened or read, whatever is in it
MISLEADING = {  # libsndfile's message on a file that was opened -> the true reason
    "File does not exist or is not a regular file": "it ends before its first frame of sound, or is damaged there",
}
FILTER_ZEROS = 16  # no resampling filter reaches further, in samples of the lower rate
MOST_FILTER_VALUES = 2**22
SAMPLE_RATES = (1_000, 768_000)  # Hz; what lies outside is a damaged header


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Audio exactly as a file holds it, so that untouched samples can be written back bit for bit."""

    samples: (
        NDArray  # (channels, n): int32, left-justified, for integer subtypes; float64 for DOUBLE; float32 for the rest
    )
    sample_rate: int  # Hz
    container: str  # libsndfile's major format: WAV, FLAC, OGG, MP3, ...
    subtype: str  # PCM_16, FLOAT, VORBIS, ...
    endian: str = "FILE"  # LITTLE or BIG where it is not the container's own

    @property
    def num_samples(self) -> int:
        return self.samples.shape[1]

    @property
    def duration_s(self) -> float:
        return self.num_samples / self.sample_rate

    def to_float(self) -> NDArray:
        """Return samples in [-1, 1): float64 for integers of more than 24 bits and for DOUBLE, float32 otherwise."""
        if self.samples.dtype != np.int32:
            return self.samples
        dtype = np.float64 if INTEGER_SUBTYPES[self.subtype] > 24 else np.float32
        return np.multiply(self.samples, 2.0**-31, dtype=dtype)

    def cut(self, start: int, stop: int) -> "Recording":
        """Return a stretch of the recording, which shares its memory."""
        return replace(self, samples=self.samples[:, start:stop])


def read_recording(data: bytes) -> Recording:
    """Read a whole recording from the bytes of a file, every sample as stored.

    Raises:
        AudioDecodeError: the bytes are empty, not audio, cut off, or without a single sample.
    """
    return join_blocks(list(read_blocks(data)))


def read_blocks(source: bytes | Path) -> Generator[Recording, None, None]:
    """Read a file, or a file's bytes, in blocks of some MiB, at least one; joined they are the whole recording.

    Raises:
        AudioDecodeError: there is nothing, no audio, no sample, or the file is cut off.
    """
    with _opened(source) as file:
        dtype = "int32" if file.subtype in INTEGER_SUBTYPES else "float64" if file.subtype == "DOUBLE" else "float32"
        for samples in _read_blocks(file, source, dtype):
            yield Recording(
                samples=samples,
                sample_rate=file.samplerate,
                container=file.format,
                subtype=file.subtype,
                endian=file.endian,
            )


def read_stretch(source: bytes | Path, start: int, stop: int) -> Recording:
    """Read what lies between two samples of a file, or of a file's bytes, and nothing behind it.

    Raises:
        AudioDecodeError: as for `read_blocks`, or it ends before the first.
    """
    parts: list[Recording] = []
    first = 0
    with closing(read_blocks(source)) as blocks:
        for block in blocks:
            last = first + block.num_samples
            if last > start:
                parts.append(block.cut(max(start - first, 0), min(stop - first, block.num_samples)))
            first = last
            if last >= stop:
                break
    if not parts:
        raise AudioDecodeError(f"ends before sample {start}")
    return join_blocks(parts)


def join_blocks(blocks: Sequence[Recording]) -> Recording:
    """Join consecutive blocks, at least one, into one recording."""
    return replace(blocks[0], samples=np.concatenate([block.samples for block in blocks], axis=1))


def decode(
    data: bytes, *, mono: bool = False, sample_rate: int | None = None, longest_s: float | None = None
) -> tuple[NDArray, int]:
    """Decode samples to float32, (channels, n), and return them with their rate in Hz.

    Args:
        data: the bytes of a whole file.
        mono: average the channels to one.
        sample_rate: resample to this rate in Hz; None keeps the file's own.
        longest_s: seconds of a longer file that are decoded; the rest is not looked at.

    Raises:
        AudioDecodeError: the bytes are empty, not audio, cut off, or hold samples that are not finite.
    """
    with _opened(data) as file:
        rate = file.samplerate
        blocks = _read_blocks(file, data, "float32", longest_s)
        if mono:
            blocks = (block.mean(axis=0, keepdims=True) for block in blocks)
        if sample_rate is not None and sample_rate != rate:
            blocks, rate = _resample_blocks(blocks, rate, sample_rate), sample_rate
        samples = np.concatenate(list(blocks), axis=1)
    if not np.isfinite(samples).all():
        raise AudioDecodeError("samples that are not finite (NaN or infinite)")
    return samples, rate


@contextmanager
def _opened(source: bytes | Path) -> Iterator[soundfile.SoundFile]:
    """Open an audio file; libsndfile's errors, then or while reading, become AudioDecodeErrors.

    Raises:
        UnreadableError: the machine failed, not the file.
    """
    if not (source if isinstance(source, bytes) else source.stat().st_size):
        raise AudioDecodeError("empty file")
    try:
        with _bytes_of(source) as data, _Stream(_readable(data, source)) as file:
            if not SAMPLE_RATES[0] <= file.samplerate <= SAMPLE_RATES[1]:
                raise AudioDecodeError(f"not readable as audio: a sample rate of {file.samplerate} Hz")
            yield file
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from error
    except (soundfile.SoundFileError, ValueError) as error:
        if getattr(error, "code", None) == SYSTEM_ERROR:
            raise UnreadableError(f"cannot be read: {error}") from error
        reason = str(error).split(": ", 1)[-1]
        for said, true in MISLEADING.items():
            reason = true if said in reason else reason
        raise AudioDecodeError(f"not readable as audio: {reason}") from error


def _read_blocks(
    file: soundfile.SoundFile, source: bytes | Path, dtype: str, longest_s: float | None = None
) -> Iterator[NDArray]:
    """Yield the samples of a file in blocks of (channels, n), at least one.

    Raises:
        AudioDecodeError: there is no sample, or clearly fewer than the header announces.
    """
    announced = max(file.frames, _announced_frames(source, file.frames))
    wanted = announced if longest_s is None else min(announced, math.ceil(longest_s * file.samplerate))
    num_read = 0
    while num_read < wanted:
        block = file.read(min(BLOCK_VALUES // file.channels, wanted - num_read), dtype=dtype, always_2d=True)
        if not len(block):
            break
        num_read += len(block)
        yield np.ascontiguousarray(block.T)
    if announced != UNKNOWN_FRAMES and num_read < TRUNCATED_BELOW * wanted:
        seconds = (num_read / file.samplerate, announced / file.samplerate)
        raise AudioDecodeError(f"truncated: {seconds[0]:.2f} of {seconds[1]:.2f} seconds")
    if num_read == 0:
        raise AudioDecodeError("no samples")


def _announced_frames(source: bytes | Path, num_there: int) -> int:
    """Return the frames that the header announces (libsndfile counts those that are there alone); 0 if it has none."""
    with _bytes_of(source) as file:
        announced, size = announced_size(file), file.seek(0, os.SEEK_END)
    return 0 if announced <= size + 1 else round(num_there * announced / size)


def _bytes_of(source: bytes | Path) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _readable(file: BinaryIO, source: bytes | Path) -> "BinaryIO | _Mended | bytes":
    """Return the source for libsndfile: the file's path, in bytes, unless its header must be mended."""
    edits = mend_stream(file)
    file.seek(0)
    return _Mended(file, edits) if edits else file if isinstance(source, bytes) else os.fsencode(source)


class _Stream(soundfile.SoundFile):
    """An audio file read in order: some codecs, and FLAC of unknown length, cannot seek."""

    def seekable(self) -> bool:
        return False


class _Mended:
    """A file with other bytes in its header, to be read only."""

    def __init__(self, file: BinaryIO, edits: dict[int, bytes]) -> None:
        self._file, self._edits = file, edits
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        data = bytearray(self._file.read(size))
        for place, value in self._edits.items():
            for offset, byte in enumerate(value, start=place - start):
                if 0 <= offset < len(data):
                    data[offset] = byte
        return bytes(data)


def _resample_blocks(blocks: Iterator[NDArray], rate: int, wanted_rate: int) -> Iterator[NDArray]:
    """Resample blocks, with the same samples that resampling the whole would give.

    A block is resampled with a margin of its neighbours on either side, which is cut off again.
    """
    common = math.gcd(rate, wanted_rate)
    unit, wanted_unit = rate // common, wanted_rate // common  # so many samples become so many
    num_margin = math.ceil(FILTER_ZEROS * max(1, rate / wanted_rate) / unit) + 1  # units
    pending, num_before = next(blocks), 0  # samples, and the units at their beginning that are margin
    for block in blocks:
        pending = np.concatenate([pending, block], axis=1)
        num_whole = pending.shape[1] // unit - num_margin
        if num_whole <= num_before:
            continue
        yield _resample(pending, unit, wanted_unit)[:, num_before * wanted_unit : num_whole * wanted_unit]
        kept_from = max(0, num_whole - num_margin)
        pending, num_before = pending[:, kept_from * unit :], num_whole - kept_from
    yield _resample(pending, unit, wanted_unit)[:, num_before * wanted_unit :]


def _resample(samples: NDArray, unit: int, wanted_unit: int) -> NDArray:
    """Resample (channels, n) by windowed sinc interpolation (Smith, 2002, as in torchaudio)."""
    if unit * wanted_unit > MOST_FILTER_VALUES:  # torchaudio's table of filters: gigabytes for a rate such as 44,101 Hz
        import scipy.signal  # here: music at common rates is prepared without it

        return scipy.signal.resample_poly(samples, wanted_unit, unit, axis=1).astype(np.float32)
    import torch  # here: most files are read at their own rate
    import torchaudio.functional

    return torchaudio.functional.resample(torch.from_numpy(samples), unit, wanted_unit).numpy()
