"""The difference of a damaged and a restored recording: restored + removed is the damaged one again.

Integers are subtracted exactly, and at the same scale: a step of the difference is a step of the recording. It may need
one bit more than its operands have, and no integer subtype has one to spare above full scale; floats that are wide
enough do, and hold every step.

A difference of floats is rounded. Dekker's error-free sum ("A floating-point technique for extending the available
precision", Numerische Mathematik 18, 1971) tells when nothing is lost: with |a| >= |b| and s = fl(a + b), the rounding
error of s is itself a float. So where the restored sample is no larger than the damaged one, it can be moved, by half
of the last place of the difference at most, to where the equation holds to the bit (`settle`).

Shapes: samples are (channels, n).
"""

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.decode import INTEGER_SUBTYPES

FLOAT_BITS = 24  # of a significand of 32-bit floats
Floats = NDArray[np.floating]


def settle(damaged: Floats, restored: Floats) -> Floats:
    """Move restored samples that differ, and are no larger than the damaged ones, to where the difference is exact."""
    with np.errstate(invalid="ignore", over="ignore"):
        moved = damaged - (damaged - restored)
        movable = (damaged != restored) & (np.abs(restored) <= np.abs(damaged)) & np.isfinite(moved)
    return np.where(movable, moved, restored)


def subtract_integers(damaged: NDArray[np.int32], restored: NDArray[np.int32]) -> NDArray[np.int32] | None:
    """Subtract left-justified integers; None where the difference exceeds full scale."""
    difference = damaged.astype(np.int64) - restored
    limits = np.iinfo(np.int32)
    if difference.max(initial=0) > limits.max or difference.min(initial=0) < limits.min:
        return None
    return difference.astype(np.int32)


def subtract_floats(damaged: Floats, restored: Floats) -> tuple[Floats, int]:
    """Subtract floats of one size; return the difference and the number of samples whose sum is inexact.

    The difference is the damaged sample itself where that is not finite: a sum with NaN or infinity is the same.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.where(np.isfinite(damaged), damaged - restored, damaged)
        off = (restored + difference != damaged) & ~np.isnan(damaged)
    return difference, int(np.count_nonzero(off))


def wide_dtype(subtype: str) -> type[np.floating]:
    """Return the wider float type for differences of a subtype: exact for integers, more often exact for floats."""
    return np.float32 if INTEGER_SUBTYPES.get(subtype, FLOAT_BITS + 1) <= FLOAT_BITS else np.float64


def subtract_wide(damaged: NDArray, restored: NDArray, subtype: str) -> tuple[Floats, int]:
    """Subtract in wider floats, full scale 1; return the difference and the number of samples whose sum is inexact.

    Args:
        damaged: left-justified int32, or floats.
        restored: of the same kind.
        subtype: of both.
    """
    dtype = wide_dtype(subtype)
    if damaged.dtype == np.int32:
        return ((damaged.astype(np.int64) - restored) * 2.0**-31).astype(dtype), 0
    return subtract_floats(damaged.astype(dtype), restored.astype(dtype))
