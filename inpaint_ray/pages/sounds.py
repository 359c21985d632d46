"""Conversion of sounds for pages to play."""

from math import gcd

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from inpaint_ray.audio.decode import Recording
from inpaint_ray.audio.encode import encode, to_integers

RATES = (8_000, 48_000)  # Hz; what every browser plays


def to_playable(samples: NDArray[np.floating], sample_rate: int) -> tuple[NDArray[np.int32], int]:
    """Convert samples to what every browser plays: 16 bits, 8 to 48 kHz.

    Args:
        samples: (channels, n) in [-1, 1]; NaN is silence.
        sample_rate: Hz.

    Returns:
        Left-justified integers, (channels, n), and their rate in Hz.
    """
    signal = np.nan_to_num(samples)
    rate = min(max(sample_rate, RATES[0]), RATES[1])
    if rate != sample_rate:
        common = gcd(rate, sample_rate)
        signal = scipy.signal.resample_poly(signal, rate // common, sample_rate // common, axis=1)
    return to_integers(signal, "PCM_16"), rate


def to_flac(samples: NDArray[np.floating], sample_rate: int) -> bytes:
    """Encode samples as every browser plays them, more than two channels mixed into one.

    Args:
        samples: (channels, n) in [-1, 1]; NaN is silence.
        sample_rate: Hz.
    """
    signal = np.nan_to_num(samples)
    integers, rate = to_playable(signal.mean(axis=0, keepdims=True) if len(signal) > 2 else signal, sample_rate)
    return encode(Recording(samples=integers, sample_rate=rate, container="FLAC", subtype="PCM_16"))
