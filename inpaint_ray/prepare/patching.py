"""Patches of one track from its bytes. Plain functions, tested on plain bytes."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from inpaint_ray.audio.decode import TRUNCATED_BELOW, decode
from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.patches import PATCH_FRAMES, to_patches
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.errors import AudioDecodeError

GRID = Grid(16_000)
CLIP_S = 30.0  # longer tracks give their first 30 s
WHOLE_CLIP_S = 29.0  # clips of at least this are padded to 30 s: FMA's "30 s" decode to 29.977
SHORTEST_S = 1.0
LONGEST_S = 32_768 * 128 * 0.004  # of a whole track: shards number its patches in 16 bits
FILTER_S = 0.1  # read beyond the clip's end, for the resampling filter
PATCHES_AT_ONCE = 64


def read_clip(
    data: bytes, *, whole: bool = False, expected_s: float | None = None
) -> tuple[NDArray[np.float32], float]:
    """Read the part of a track that patches are cut from: mono, 16 kHz, 30 s; from 29 s on, padded with zeros.

    Args:
        data: the bytes of a file.
        whole: all of a track that is longer, up to 4 h 39 min.
        expected_s: the length that a list claims; a file that has clearly less of it is cut off, unless it is a clip
            of 30 s, as FMA's small, medium and large hold of every song.

    Returns:
        The samples (n,), and the seconds of them that are no padding.

    Raises:
        AudioDecodeError: the file is not readable, cut off, shorter than 1 s, or silent.
    """
    longest_s = LONGEST_S if whole else CLIP_S
    samples, rate = decode(data, mono=True, sample_rate=GRID.sample_rate, longest_s=longest_s + FILTER_S)
    clip = samples[0, : int(longest_s * rate)]
    duration_s = len(clip) / rate
    is_clip = WHOLE_CLIP_S <= duration_s <= CLIP_S + 1
    if expected_s is not None and duration_s < TRUNCATED_BELOW * min(expected_s, longest_s) and not is_clip:
        raise AudioDecodeError(f"truncated: {duration_s:.2f} of {expected_s:.2f} seconds")
    if duration_s < SHORTEST_S:
        raise AudioDecodeError(f"too short: {duration_s:.2f} seconds, at least {SHORTEST_S:g} are needed")
    if not clip.any():
        raise AudioDecodeError(f"silent: all of its {duration_s:.2f} seconds are zero")
    if WHOLE_CLIP_S <= duration_s < CLIP_S:
        clip = np.pad(clip, (0, int(CLIP_S * rate) - len(clip)))
    return clip, duration_s


def cut_patches(clip: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Cut a clip into patches in order, as the reference does: 58 of 30 s, floor(frames / 128) of other lengths.

    Args:
        clip: (n,) at 16 kHz.

    Yields:
        Magnitudes (P, 128, 128) linear, P <= 64, so that memory does not grow with the track.
    """
    samples = torch.from_numpy(clip)
    patch_samples = PATCH_FRAMES * GRID.hop
    num_patches = GRID.num_frames(len(clip)) // PATCH_FRAMES
    for start in range(0, num_patches, PATCHES_AT_ONCE):
        stop = min(start + PATCHES_AT_ONCE, num_patches)
        stretch = samples[start * patch_samples : stop * patch_samples + GRID.frame_length]
        yield to_patches(spectrogram(stretch, GRID)[: (stop - start) * PATCH_FRAMES]).numpy()
