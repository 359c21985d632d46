"""The spectrogram grid, fixed in physical units: 16 ms frames, 4 ms hop, 62.5 Hz bins at every sample rate.

Shapes: n = samples, T = frames, F = bins; axes are (..., T, F), time before frequency.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FRAMES_AT_ONCE = 512  # of a magnitude spectrogram: they stay in a core's cache
FRAME_S = 0.016
HOP_S = 0.004


@dataclass(frozen=True)
class Grid:
    """The grid at one sample rate; at 16 kHz exactly the reference's front end (reference: features_extraction_FMA)."""

    sample_rate: int = 16_000  # Hz

    def __post_init__(self) -> None:
        if self.sample_rate < 1_000:
            raise ValueError(f"sample_rate must be at least 1000 Hz, got {self.sample_rate}")

    @property
    def frame_length(self) -> int:
        """Samples of the window: 16 ms, to the nearest even number (256 at 16 kHz)."""
        return 2 * round(FRAME_S * self.sample_rate / 2)

    @property
    def fft_length(self) -> int:
        """Points of the FFT: the windowed frame without its last sample (255 at 16 kHz), as in the reference."""
        return self.frame_length - 1

    @property
    def hop(self) -> int:
        """Samples between frames: 4 ms (64 at 16 kHz)."""
        return round(HOP_S * self.sample_rate)

    @property
    def num_bins(self) -> int:
        """Bins F: 128 at 16 kHz."""
        return self.frame_length // 2

    def num_frames(self, num_samples: int) -> int:
        """Frames T that cover so many samples, the last ones padded with zeros (7,500 for 30 s)."""
        return math.ceil(num_samples / self.hop)

    def window(self, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Tensor:
        """The periodic Hann window, (fft_length,)."""
        window = torch.hann_window(self.frame_length, periodic=True, dtype=torch.float64)
        return window[: self.fft_length].to(device=device, dtype=dtype)


def stft(samples: Tensor, grid: Grid) -> Tensor:
    """The complex spectrogram.

    Args:
        samples: (..., n) float32 or float64, n >= 1.
        grid: the grid at the samples' rate.

    Returns:
        (..., T, F) complex; frame t covers samples t * hop to t * hop + fft_length - 1.
    """
    return _rfft(_frames(samples, grid) * grid.window(samples.dtype, samples.device))


def spectrogram(samples: Tensor, grid: Grid) -> Tensor:
    """Magnitudes of the complex spectrogram, (..., n) -> (..., T, F), linear, >= 0."""
    window = grid.window(samples.dtype, samples.device)
    chunks = _frames(samples, grid).split(FRAMES_AT_ONCE, dim=-2)
    return torch.cat([_rfft(chunk * window).abs() for chunk in chunks], dim=-2)


def istft(spectrum: Tensor, grid: Grid, num_samples: int) -> Tensor:
    """The signal whose complex spectrogram is nearest in the least-squares sense (Griffin and Lim, 1984, eq. 6).

    Args:
        spectrum: (..., T, F) complex.
        grid: the grid at the signal's rate.
        num_samples: samples n to return.

    Returns:
        (..., n); where no window reaches (the very first sample), zero.
    """
    *other, num_frames, _ = spectrum.shape
    frames = _irfft(spectrum, grid.fft_length)
    window = grid.window(frames.dtype, frames.device)
    weight = window.square().expand(num_frames, -1)
    summed = _overlap_add(frames * window, grid.hop)
    norm = _overlap_add(weight, grid.hop)
    signal = torch.where(norm > 1e-8, summed / norm.clamp(min=1e-8), 0.0)
    shortfall = max(num_samples - signal.shape[-1], 0)
    return torch.nn.functional.pad(signal, (0, shortfall))[..., :num_samples]


def _frames(samples: Tensor, grid: Grid) -> Tensor:
    """Every frame of a signal, the last ones padded with zeros; (..., n) -> (..., T, L), a view where it can be."""
    num_samples = samples.shape[-1]
    num_frames = grid.num_frames(num_samples)
    padding = (num_frames - 1) * grid.hop + grid.fft_length - num_samples
    padded = torch.nn.functional.pad(samples, (0, max(padding, 0)))
    return padded.unfold(-1, grid.fft_length, grid.hop)[..., :num_frames, :]


def _rfft(frames: Tensor) -> Tensor:
    """Real FFT along the last axis; on a CPU by scipy's, which takes a third of torch's time for such short frames."""
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
    """(..., T, L) frames, each hop samples after the one before, summed to (..., (T - 1) * hop + L)."""
    *other, num_frames, length = frames.shape
    total = (num_frames - 1) * hop + length
    columns = frames.reshape(-1, num_frames, length).transpose(1, 2)  # (batch, L, T)
    summed = torch.nn.functional.fold(columns, (1, total), (1, length), stride=(1, hop))
    return summed.reshape(*other, total)
