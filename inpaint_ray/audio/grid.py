"""The spectrogram grid, fixed in physical units: 16 ms frames, 4 ms hop, 62.5 Hz bins at every sample rate."""

import math
from dataclasses import dataclass

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
        """Samples of a frame: 16 ms, to the nearest even number (256 at 16 kHz)."""
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
