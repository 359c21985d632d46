"""Encoding of samples to audio files or their bytes."""

import errno
import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from inpaint_ray.audio.decode import INTEGER_SUBTYPES, SYSTEM_ERROR, Recording, read_blocks

ALAC = ("ALAC_16", "ALAC_20", "ALAC_24", "ALAC_32")  # of which libsndfile 1.2 writes some loud noise wrong


def encode(recording: Recording) -> bytes:
    """Encode a recording in its own container and subtype; integer samples are written bit for bit.

    Raises:
        ValueError: libsndfile cannot write this container with this subtype.
    """
    buffer = io.BytesIO()
    with _opened(buffer, recording) as file:
        file.write(recording.samples.T)
    return buffer.getvalue()


class Writer:
    """Writes consecutive blocks to a file in the container and subtype of the first; integers bit for bit.

    Leaving the block without an error checks that all of it was written.

    Raises:
        ValueError: libsndfile cannot write this container with this subtype, or not these samples.
        OSError: not all of it could be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: soundfile.SoundFile | None = None
        self._count, self._digest = 0, hashlib.sha256()

    def __enter__(self) -> "Writer":
        return self

    def write(self, block: Recording) -> None:
        self._file = self._file or _opened(self._path, block)
        try:
            self._file.write(block.samples.T)
        except (AssertionError, soundfile.LibsndfileError) as error:  # the one for a part, the other for nothing
            raise _not_whole(self._path) from error
        self._count += block.num_samples
        if block.subtype in ALAC:
            self._digest.update(block.samples.T.tobytes())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        self.close()
        if kind is None:
            self._check()

    def _check(self) -> None:
        written = soundfile.info(os.fsencode(self._path))
        if written.frames != self._count:
            raise _not_whole(self._path)
        if written.subtype in ALAC and _digest(self._path) != self._digest.digest():
            raise ValueError("libsndfile cannot write these samples as ALAC; use --output-format wav")


def write_blocks(path: Path, blocks: Iterable[Recording]) -> None:
    """Write consecutive blocks to a file; see `Writer`, whose errors it raises."""
    with Writer(path) as writer:
        for block in blocks:
            writer.write(block)


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    for block in read_blocks(path):
        digest.update(block.samples.T.tobytes())
    return digest.digest()


def _opened(target: Path | io.BytesIO, like: Recording) -> soundfile.SoundFile:
    if not soundfile.check_format(like.container, like.subtype, like.endian):
        raise ValueError(f"libsndfile cannot write {like.container} files of {like.subtype}")
    try:
        return soundfile.SoundFile(
            os.fsencode(target) if isinstance(target, Path) else target,
            "w",
            samplerate=like.sample_rate,
            channels=len(like.samples),
            format=like.container,
            subtype=like.subtype,
            endian=like.endian,
        )
    except soundfile.LibsndfileError as error:
        if error.code == SYSTEM_ERROR:
            raise OSError(errno.EIO, "cannot be written", str(target)) from error
        raise


def _not_whole(path: Path) -> OSError:
    return OSError(errno.ENOSPC, "not all of it could be written: the disk may be full", str(path))


def to_integers(samples: NDArray, subtype: str) -> NDArray:
    """Convert samples in [-1, 1] to left-justified int32, rounded to the subtype's step and clipped to its range."""
    bits = INTEGER_SUBTYPES[subtype]
    top = 2 ** (bits - 1)
    steps = np.clip(np.rint(samples.astype(np.float64) * top), -top, top - 1)
    return (steps.astype(np.int64) << (32 - bits)).astype(np.int32)
