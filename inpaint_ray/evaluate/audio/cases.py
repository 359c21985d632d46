"""Damage of clean recordings for the two tasks on audio, whose scores are never mixed.

Shapes: n = samples, T = frames.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaint_ray.audio.damage import Damage, draw_lost_frames, draw_lost_samples
from inpaint_ray.audio.decode import decode
from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.patches import PATCH_FRAMES
from inpaint_ray.audio.stft import istft, stft
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.evaluate.config import Task

LEAST_GAIN = 1e-6  # of a sample that a lost frame touched: above, division recovers it to 1e-9 in float64
SHORTEST_S = 0.5


@dataclass(frozen=True)
class Excerpt:
    """The stretch of a recording that an evaluation damages, in mono."""

    name: str
    samples: NDArray[np.float64]  # (n,)
    sample_rate: int  # Hz

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Case:
    """An excerpt damaged in one way."""

    damaged: NDArray[np.float64]  # (n,) with lost samples zero
    known: NDArray[np.float64]  # (n,) what a method is given: zero where samples are lost
    lost: NDArray[np.bool_]  # (n,) to be filled
    touched: NDArray[np.bool_]  # (n,) that the damage changed: where the score is taken


def read_excerpt(name: str, data: bytes, seconds: float) -> Excerpt:
    """Read the middle of a recording, at its own rate.

    Raises:
        AudioDecodeError: the bytes are not audio, or too short to lose anything.
    """
    samples, sample_rate = decode(data, mono=True)
    length = round(seconds * sample_rate)
    first = max((samples.shape[1] - length) // 2, 0)
    middle = samples[0, first : first + length].astype(np.float64)
    if len(middle) < SHORTEST_S * sample_rate:
        raise AudioDecodeError(f"only {len(middle) / sample_rate:.2f} seconds, too short to cut gaps into")
    return Excerpt(name, middle, sample_rate)


def cut(excerpt: Excerpt, task: Task, damage: Damage, *, seed: int) -> Case:
    """Damage an excerpt; the same name, seed and samples give the same damage."""
    identity = int.from_bytes(hashlib.sha256(excerpt.name.encode()).digest()[:8], "big") >> 1
    num_samples, sample_rate = len(excerpt.samples), excerpt.sample_rate
    if task == "samples":
        lost = draw_lost_samples(num_samples, sample_rate, seed, identity, damage=damage)
        known = np.where(lost, 0.0, excerpt.samples)
        return Case(known, known, lost, lost)
    grid = Grid(sample_rate)
    frames = _draw_columns(grid, num_samples, damage, seed, identity)
    return lose_columns(excerpt.samples, grid, frames)


def lose_columns(samples: NDArray[np.float64], grid: Grid, frames: NDArray[np.bool_]) -> Case:
    """Zero frames of the complex spectrogram and resynthesise.

    A sample that an intact frame still covers comes back too quiet by a factor that is known: dividing by it recovers
    the sample. Only what no intact frame covers is lost.

    Args:
        samples: (n,).
        grid: at their rate.
        frames: (T,), True where a frame is lost.
    """
    missing = torch.from_numpy(frames).unsqueeze(-1)
    clean = torch.from_numpy(samples)
    damaged = _resynthesise(clean, grid, missing)
    gain = _resynthesise(torch.ones_like(clean), grid, missing)
    reached = _resynthesise(torch.ones_like(clean), grid, torch.zeros_like(missing)) > 0.5  # not the very first sample
    lost = reached & (gain < LEAST_GAIN)
    known = torch.where(reached, damaged / gain.clamp(min=LEAST_GAIN), clean).masked_fill(lost, 0.0)
    touched = reached & (gain < 1 - 1e-9)
    return Case(torch.where(reached, damaged, clean).numpy(), known.numpy(), lost.numpy(), touched.numpy())


def _resynthesise(signal: Tensor, grid: Grid, missing: Tensor) -> Tensor:
    return istft(stft(signal, grid).masked_fill(missing, 0.0), grid, len(signal))


def _draw_columns(grid: Grid, num_samples: int, damage: Damage, seed: int, identity: int) -> NDArray[np.bool_]:
    """Draw lost frames, (T,): the reference's share of every 128, or those that begin in a lost stretch."""
    num_frames = grid.num_frames(num_samples)
    if damage.kind != "frames":
        lost = draw_lost_samples(num_samples, grid.sample_rate, seed, identity, damage=damage)
        return lost[:: grid.hop][:num_frames]
    blocks = [
        draw_lost_frames(seed, identity, block, num_frames=PATCH_FRAMES)
        for block in range(-(-num_frames // PATCH_FRAMES))
    ]
    return np.concatenate(blocks)[:num_frames]
