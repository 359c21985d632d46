"""One track's bytes -> its patches. Plain functions, tested on plain bytes."""

import numpy as np
import torch
from numpy.typing import NDArray

from inpaint_ray.audio.decode import decode
from inpaint_ray.audio.patches import to_patches
from inpaint_ray.audio.stft import Grid, spectrogram
from inpaint_ray.errors import AudioDecodeError

GRID = Grid(16_000)
CLIP_S = 30.0  # longer tracks give their first 30 s
WHOLE_CLIP_S = 29.0  # clips of at least this are padded to 30 s: FMA's "30 s" decode to 29.977
SHORTEST_S = 1.0


def cut_patches(data: bytes) -> tuple[NDArray[np.float32], float]:
    """The patches of a track, as the reference cuts them: mono, 16 kHz, 30 s padded with zeros, 58 patches.

    A clip shorter than 29 s is not padded and gives its whole patches.

    Args:
        data: the bytes of a file.

    Returns:
        Magnitudes (P, 128, 128) linear, P <= 58, and the seconds of audio that they were cut from.

    Raises:
        AudioDecodeError: the file is not readable, cut off, shorter than 1 s, or silent.
    """
    samples, sample_rate = decode(data, mono=True, sample_rate=GRID.sample_rate)
    duration_s = samples.shape[1] / sample_rate
    if duration_s < SHORTEST_S:
        raise AudioDecodeError(f"too short: {duration_s:.2f} seconds, at least {SHORTEST_S:g} are needed")
    if not samples.any():
        raise AudioDecodeError(f"silent: all of its {duration_s:.2f} seconds are zero")
    clip = torch.from_numpy(samples[0, : int(CLIP_S * sample_rate)])
    if duration_s >= WHOLE_CLIP_S:
        clip = torch.nn.functional.pad(clip, (0, int(CLIP_S * sample_rate) - len(clip)))

    patches = to_patches(spectrogram(clip, GRID))
    return patches.numpy(), min(duration_s, CLIP_S)
