"""Samples -> bytes of a file."""

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording


def encode(recording: Recording) -> bytes:
    """The bytes of a file in the recording's own container and subtype; integer samples are written bit for bit.

    Raises:
        ValueError: libsndfile cannot write this container with this subtype.
    """
    if not soundfile.check_format(recording.container, recording.subtype):
        raise ValueError(f"libsndfile cannot write {recording.container} files of {recording.subtype}")
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        recording.samples.T,
        recording.sample_rate,
        format=recording.container,
        subtype=recording.subtype,
    )
    return buffer.getvalue()


def to_integers(samples: NDArray, subtype: str) -> NDArray:
    """Samples in [-1, 1] as left-justified int32, rounded to the subtype's step and clipped to its range."""
    bits = INTEGER_SUBTYPES[subtype]
    top = 2 ** (bits - 1)
    steps = np.clip(np.rint(samples.astype(np.float64) * top), -top, top - 1)
    return (steps.astype(np.int64) << (32 - bits)).astype(np.int32)
