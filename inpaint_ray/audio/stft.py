"""Short-time Fourier transform on the grid, and its inverse.

Shapes: n = samples, T = frames, F = bins; axes are (..., T, F), time before frequency.
"""

import torch
from torch import Tensor

from inpaint_ray.audio.grid import Grid

FRAMES_AT_ONCE = 512  # of a magnitude spectrogram: they stay in a core's cache


def stft(samples: Tensor, grid: Grid) -> Tensor:
    """Compute the complex spectrogram.

    Args:
        samples: (..., n) float32 or float64, n >= 1.
        grid: the grid at the samples' rate.

    Returns:
        (..., T, F) complex; frame t covers samples t * hop to t * hop + fft_length - 1.
    """
    return _rfft(_frames(samples, grid) * _window(grid, samples))


def spectrogram(samples: Tensor, grid: Grid) -> Tensor:
    """Compute the magnitude spectrogram, (..., n) -> (..., T, F), linear, >= 0."""
    window = _window(grid, samples)
    chunks = _frames(samples, grid).split(FRAMES_AT_ONCE, dim=-2)
    return torch.cat([_rfft(chunk * window).abs() for chunk in chunks], dim=-2)


def istft(spectrum: Tensor, grid: Grid, num_samples: int) -> Tensor:
    """Invert a spectrogram: the signal that is nearest in the least-squares sense (Griffin and Lim, 1984, eq. 6).

    Args:
        spectrum: (..., T, F) complex.
        grid: the grid at the signal's rate.
        num_samples: samples n to return.

    Returns:
        (..., n); where no window reaches (the very first sample), zero.
    """
    *other, num_frames, _ = spectrum.shape
    frames = _irfft(spectrum, grid.fft_length)
    window = _window(grid, frames)
    weight = window.square().expand(num_frames, -1)
    summed = _overlap_add(frames * window, grid.hop)
    norm = _overlap_add(weight, grid.hop)
    signal = torch.where(norm > 1e-8, summed / norm.clamp(min=1e-8), 0.0)
    shortfall = max(num_samples - signal.shape[-1], 0)
    return torch.nn.functional.pad(signal, (0, shortfall))[..., :num_samples]


def _window(grid: Grid, like: Tensor) -> Tensor:
    """Return the periodic Hann window, (fft_length,), in the dtype and on the device of a tensor."""
    window = torch.hann_window(grid.frame_length, periodic=True, dtype=torch.float64)
    return window[: grid.fft_length].to(device=like.device, dtype=like.dtype)


def _frames(samples: Tensor, grid: Grid) -> Tensor:
    """Cut a signal into frames, the last ones padded with zeros: (..., n) -> (..., T, L), a view where possible."""
    num_samples = samples.shape[-1]
    num_frames = grid.num_frames(num_samples)
    padding = (num_frames - 1) * grid.hop + grid.fft_length - num_samples
    padded = torch.nn.functional.pad(samples, (0, max(padding, 0)))
    return padded.unfold(-1, grid.fft_length, grid.hop)[..., :num_frames, :]


def _rfft(frames: Tensor) -> Tensor:
    """Compute the real FFT of frames; on a CPU by scipy's, which takes a third of torch's time at this length."""
    if frames.device.type != "cpu" or frames.requires_grad:
        return torch.fft.rfft(frames, dim=-1)
    import scipy.fft  # here: what computes on a GPU alone does without

    return torch.from_numpy(scipy.fft.rfft(frames.numpy(), axis=-1))


def _irfft(spectrum: Tensor, length: int) -> Tensor:
    if spectrum.device.type != "cpu" or spectrum.requires_grad:
        return torch.fft.irfft(spectrum, n=length, dim=-1)
    import scipy.fft

    return torch.from_numpy(scipy.fft.irfft(spectrum.numpy(), n=length, axis=-1))


def _overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Add overlapping frames, (..., T, L), each a hop after the one before: (..., (T - 1) * hop + L)."""
    *other, num_frames, length = frames.shape
    total = (num_frames - 1) * hop + length
    columns = frames.reshape(-1, num_frames, length).transpose(1, 2)  # (batch, L, T)
    summed = torch.nn.functional.fold(columns, (1, total), (1, length), stride=(1, hop))
    return summed.reshape(*other, total)
