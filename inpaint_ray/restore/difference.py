"""The difference beside an output, NAME.removed.EXT: output + removed = input.

It is written beside the output, block by block, in the output's container and subtype; where those cannot hold every
difference exactly, in wider floats, from both files (see `audio.difference`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile

from inpaint_ray.audio.decode import Recording
from inpaint_ray.audio.difference import settle, subtract_floats, subtract_integers, subtract_wide, wide_dtype
from inpaint_ray.audio.encode import ALAC, Writer
from inpaint_ray.restore.formats import LONGEST_WAV, WAV_SUBTYPES

REMOVED = ".removed"


@dataclass(frozen=True)
class Removed:
    """A written difference."""

    suffix: str  # after the output's name, where another container is needed
    num_rounded: int  # samples in which output + removed is off by a rounding


def removed_name(output: str) -> str:
    """Return the name of the difference beside an output: tape.removed.wav of tape.wav."""
    path = PurePosixPath(output)
    return f"{output.removesuffix(path.suffix)}{REMOVED}{path.suffix}"


class DifferenceWriter:
    """A writer of the difference of a recording during its restoration, while the recording's subtype can hold it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = Writer(path)
        self._fits = True
        self._num_bytes = 0  # of the samples in the widest floats

    def __enter__(self) -> "DifferenceWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if self._fits:
            self._writer.__exit__(kind, *details)
        else:
            self._writer.close()

    def add(self, damaged: Recording, restored: Recording) -> Recording:
        """Take the next block, damaged and restored, in the output's subtype; returns the block to write.

        Restored floats may be moved by a rounding error, so that the difference is exact.
        """
        if damaged is restored or damaged.samples is restored.samples:
            self._write(restored, np.zeros_like(restored.samples))
        elif restored.samples.dtype == np.int32:
            self._write(restored, subtract_integers(damaged.samples, restored.samples))
        else:
            restored = replace(restored, samples=settle(damaged.samples, restored.samples))
            difference, num_off = subtract_floats(damaged.samples, restored.samples)
            self._write(restored, None if num_off else difference)
        return restored

    def _write(self, like: Recording, difference: np.ndarray | None) -> None:
        self._num_bytes += 8 * like.samples.size
        self._fits = self._fits and difference is not None
        if self._fits and difference is not None:
            subtype = WAV_SUBTYPES[like.subtype] if like.subtype in ALAC else like.subtype
            self._writer.write(replace(like, samples=difference, subtype=subtype))

    def finish(self, damaged: Iterable[Recording], restored: Iterable[Recording]) -> Removed:
        """Finish the difference; write it again in wider floats if it did not fit.

        Args:
            damaged: the recording once more, as the output has it; read only where it is needed.
            restored: the output.
        """
        if self._fits:
            return Removed("", 0)
        suffix, num_rounded = "", 0
        with Writer(self._path) as writer:
            for before, after in zip(damaged, restored, strict=True):
                samples, num_off = subtract_wide(before.samples, after.samples, after.subtype)
                subtype = "FLOAT" if wide_dtype(after.subtype) is np.float32 else "DOUBLE"
                wide = replace(after, samples=samples, subtype=subtype)
                if not soundfile.check_format(after.container, subtype, after.endian):
                    wide, suffix = replace(wide, container="WAV", endian="FILE"), ".wav"
                if wide.container in ("WAV", "WAVEX") and self._num_bytes > LONGEST_WAV:
                    wide = replace(wide, container="RF64")
                num_rounded += num_off
                writer.write(wide)
        return Removed(suffix, num_rounded)
