"""Sounds that a page plays."""

import numpy as np
import torch
import torchaudio.functional
from numpy.typing import NDArray

from inpaint_ray.audio.decode import Recording
from inpaint_ray.audio.encode import encode, to_integers

MAX_RATE = 48_000  # Hz; what every browser plays


def to_flac(samples: NDArray[np.floating], sample_rate: int) -> bytes:
    """Encode samples as every browser plays them: 16 bits, at most 48 kHz, more than two channels mixed into one.

    Args:
        samples: (channels, n) in [-1, 1]; NaN is silence.
        sample_rate: Hz.
    """
    signal = torch.from_numpy(np.nan_to_num(samples))
    if len(signal) > 2:
        signal = signal.mean(dim=0, keepdim=True)
    rate = min(sample_rate, MAX_RATE)
    if rate != sample_rate:
        signal = torchaudio.functional.resample(signal, sample_rate, rate)
    integers = to_integers(signal.numpy(), "PCM_16")
    return encode(Recording(samples=integers, sample_rate=rate, container="FLAC", subtype="PCM_16"))
