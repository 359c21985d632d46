from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.stft import istft, spectrogram, stft

GOLDEN = Path(__file__).parents[1] / "golden" / "stft_golden.npz"


def test_magnitudes_equal_those_of_the_reference_front_end() -> None:
    time = np.arange(480_000) / 16_000
    signal = 0.3 * np.sin(2 * np.pi * 440 * time) + 0.2 * np.sin(2 * np.pi * (200 + 100 * time) * time)
    signal += 0.05 * np.cos(2 * np.pi * 3000 * time * (1 + 0.01 * time))
    magnitudes = spectrogram(torch.from_numpy(signal.astype(np.float32)), Grid()).numpy()
    with np.load(GOLDEN) as golden:
        assert magnitudes.shape == tuple(golden["shape"])
        np.testing.assert_allclose(magnitudes[golden["frames"]], golden["magnitudes"], atol=1e-4)


def test_a_batch_equals_its_members_one_by_one() -> None:
    signals = torch.randn(2, 3, 5000, generator=torch.Generator().manual_seed(0))
    batched = stft(signals, Grid())
    assert batched.shape == (2, 3, 79, 128)
    torch.testing.assert_close(batched[1, 2], stft(signals[1, 2], Grid()))
    torch.testing.assert_close(istft(batched, Grid(), 5000)[1, 2], istft(batched[1, 2], Grid(), 5000))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000]), st.integers(0, 2**31))
def test_the_inverse_gives_back_the_signal(num_samples: int, sample_rate: int, seed: int) -> None:
    signal = torch.randn(num_samples, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    back = istft(stft(signal, Grid(sample_rate)), Grid(sample_rate), num_samples)
    torch.testing.assert_close(back[4:], signal[4:], atol=1e-5, rtol=0)  # the first window starts from zero


@pytest.mark.parametrize(
    ("sample_rate", "frame_length", "hop"),
    [(16_000, 256, 64), (44_100, 706, 176), (48_000, 768, 192), (10_000, 160, 40)],
)
def test_the_grid_is_fixed_in_seconds(sample_rate: int, frame_length: int, hop: int) -> None:
    grid = Grid(sample_rate)
    assert (grid.frame_length, grid.fft_length, grid.hop) == (frame_length, frame_length - 1, hop)
    assert grid.num_bins == frame_length // 2


def test_thirty_seconds_have_7500_frames() -> None:
    assert Grid().num_frames(480_000) == 7500


def test_a_rate_below_one_kilohertz_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1000 Hz, got 999"):
        Grid(999)
