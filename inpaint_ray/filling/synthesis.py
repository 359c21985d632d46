"""Synthesis of sound from the magnitudes of lost frames: phase by Griffin-Lim, known samples held.

Shapes: n = samples, T = frames, F = bins.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.filling.griffin_lim import griffin_lim
from inpaint_ray.filling.methods import RestoreMagnitudes

CONTEXT_FRAMES = 64  # either side of a gap, 0.256 s: with a short gap, about one patch
MAX_WINDOW_FRAMES = 512  # neighbouring gaps share a window up to this length
NUM_ITERATIONS = 100
MOMENTUM = 0.99


@dataclass(frozen=True)
class _Window:
    """Neighbouring gaps and the stretch of one channel around them."""

    gaps: list[tuple[int, int]]  # start and stop of each, in samples of the channel
    start: int
    stop: int


def synthesise_gaps(
    filled: NDArray[np.float64],
    lost: NDArray[np.bool_],
    gaps: list[tuple[int, int]],
    grid: Grid,
    restore_magnitudes: RestoreMagnitudes,
    *,
    blind: bool = False,
) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    """Yield start, stop and new values of each gap.

    Args:
        filled: (n,), every gap filled, from which phases start.
        lost: (n,).
        gaps: start and stop of each, in order.
        grid: the grid at the signal's rate.
        restore_magnitudes: fills lost frames.
        blind: take nothing but magnitudes, and phase from zero: the reference's synthesis.
    """
    for window in _windows(gaps, grid, len(filled)):
        inside = slice(window.start, window.stop)
        values = _synthesise(filled[inside], lost[inside], grid, restore_magnitudes, blind=blind)
        for start, stop in window.gaps:
            yield start, stop, values[start - window.start : stop - window.start]


def _synthesise(
    filled: NDArray[np.float64],
    lost: NDArray[np.bool_],
    grid: Grid,
    restore_magnitudes: RestoreMagnitudes,
    *,
    blind: bool,
) -> NDArray[np.float64]:
    """Synthesise one window, (n,), from magnitudes; its phase starts from zero or from the autoregressive fill."""
    signal = torch.from_numpy(filled.astype(np.float32))
    missing = torch.from_numpy(lost.copy())
    frames = lost_frames(missing, grid)
    magnitudes = spectrogram(torch.where(missing, 0.0, signal), grid)
    restored = restore_magnitudes(magnitudes.unsqueeze(0), frames.unsqueeze(0))[0].to(magnitudes)
    if not torch.isfinite(restored).all():
        raise ValueError("restore_magnitudes gave magnitudes that are not finite")
    restored = torch.where(frames.unsqueeze(-1), restored.clamp(min=0), magnitudes)
    if blind:
        result = griffin_lim(restored, grid, len(signal), num_iterations=NUM_ITERATIONS)
    else:
        result = griffin_lim(
            restored,
            grid,
            len(signal),
            num_iterations=NUM_ITERATIONS,
            momentum=MOMENTUM,
            start=signal,
            lost=missing,
        )
    return result.numpy().astype(np.float64)


def lost_frames(lost: Tensor, grid: Grid) -> Tensor:
    """Mark frames that touch a lost sample: (..., n) bool -> (..., T) bool."""
    num_samples = lost.shape[-1]
    count = torch.nn.functional.pad(lost.long().cumsum(-1), (1, 0))
    first = torch.arange(grid.num_frames(num_samples), device=lost.device) * grid.hop
    last = (first + grid.fft_length).clamp(max=num_samples)
    return count[..., last] > count[..., first]


def _windows(gaps: list[tuple[int, int]], grid: Grid, num_samples: int) -> Iterator[_Window]:
    """Yield windows of gaps with their context; overlapping ones are joined up to a largest length."""
    context, longest = CONTEXT_FRAMES * grid.hop, MAX_WINDOW_FRAMES * grid.hop
    joined: list[tuple[int, int]] = []
    for gap in [*gaps, None]:
        fits = bool(joined) and gap is not None and gap[0] - joined[-1][1] < 2 * context
        if joined and not (fits and gap is not None and gap[1] - joined[0][0] + 2 * context <= longest):
            stop = min(joined[-1][1] + context, num_samples)
            yield _Window(gaps=joined, start=max(joined[0][0] - context, 0), stop=stop)
            joined = []
        if gap is not None:
            joined = [*joined, gap]
