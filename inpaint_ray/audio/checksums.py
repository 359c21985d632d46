"""Checksums of files, and of sound, whatever file holds it."""

import hashlib
from pathlib import Path

import numpy as np

from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a whole file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class SoundDigest:
    """The SHA-256 of a recording's samples: interleaved, little-endian, in the bytes of their own subtype.

    Integers are signed, those of 20 bits left-justified in three bytes. Of WAV with 16 bits and more it is the digest
    of what the data chunk holds.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, block: Recording) -> None:
        self._digest.update(np.ascontiguousarray(_stored(block)).data)

    def hex(self) -> str:
        return self._digest.hexdigest()


def _stored(block: Recording) -> np.ndarray:
    """The samples as (n, channels) of floats, or (n, channels, bytes) of integers."""
    samples = block.samples.astype(block.samples.dtype.newbyteorder("<"), copy=False)
    if samples.dtype != np.dtype("<i4"):
        return samples.T
    width = (INTEGER_SUBTYPES[block.subtype] + 7) // 8
    if width == 2:  # half of the time that single bytes take
        return np.ascontiguousarray(samples).view("<i2")[:, 1::2].T
    return np.ascontiguousarray(samples).view(np.uint8).reshape(*samples.shape, 4)[..., 4 - width :].transpose(1, 0, 2)
