"""Phase from magnitudes: fast Griffin-Lim, with known samples held where there are any.

Shapes: n = samples, T = frames, F = bins.
"""

import torch
from torch import Tensor

from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.stft import istft, stft


def griffin_lim(
    magnitudes: Tensor,
    grid: Grid,
    num_samples: int,
    *,
    num_iterations: int = 100,
    momentum: float = 0.0,
    start: Tensor | None = None,
    lost: Tensor | None = None,
) -> Tensor:
    """Synthesise a signal whose spectrogram has about these magnitudes.

    Without `start` and `lost` and with momentum 0 it is the reference's synthesis: zero initial phase, 100 iterations
    (Griffin and Lim, 1984). Momentum 0.99 is the accelerated form (Perraudin, Balazs and Sondergaard, 2013).

    Args:
        magnitudes: (..., T, F) linear.
        grid: the grid at the signal's rate.
        num_samples: n; T must be grid.num_frames(n).
        num_iterations: projections; each costs one STFT and one inverse.
        momentum: alpha of the accelerated form, in [0, 1).
        start: (..., n) the signal to take the first phase from; None is zero phase.
        lost: (..., n) bool: where given, the other samples are held at `start`'s after every iteration.

    Returns:
        (..., n) the signal after the last iteration.

    Raises:
        ValueError: `lost` without `start`, or T is not that of n samples.
    """
    if lost is not None and start is None:
        raise ValueError("lost needs start: the known samples are taken from it")
    if magnitudes.shape[-2] != grid.num_frames(num_samples):
        raise ValueError(
            f"{num_samples} samples have {grid.num_frames(num_samples)} frames, got {magnitudes.shape[-2]}"
        )
    if start is None:
        signal = istft(torch.complex(magnitudes, torch.zeros_like(magnitudes)), grid, num_samples)
    else:
        signal = start
    previous = torch.zeros((), dtype=torch.complex64, device=magnitudes.device)
    for _ in range(num_iterations):
        spectrum = stft(signal, grid)
        accelerated = spectrum + momentum * (spectrum - previous) if momentum else spectrum
        previous = spectrum
        phase = accelerated / accelerated.abs().clamp(min=1e-12)
        signal = istft(magnitudes * phase, grid, num_samples)
        if lost is not None and start is not None:
            signal = torch.where(lost, signal, start)
    return signal
