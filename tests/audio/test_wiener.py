import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inpaint_ray.audio import wiener
from inpaint_ray.audio.damage import draw_lost_frames
from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.audio.wiener import wiener_frames


def _lost(num: int, num_frames: int = 128) -> torch.Tensor:
    return torch.from_numpy(np.stack([draw_lost_frames(0, number, num_frames=num_frames) for number in range(num)]))


def _error(filled: torch.Tensor, magnitudes: torch.Tensor, lost: torch.Tensor) -> float:
    return float((filled - magnitudes)[lost].square().mean())


def test_beating_partials_are_followed_where_lines_are_not() -> None:
    time, hertz = torch.arange(128.0)[:, None], torch.linspace(0.05, 0.45, 40)
    magnitudes = (1 + 0.8 * torch.cos(2 * np.pi * hertz * time)).expand(8, 128, 40)  # cycles per frame
    lost = _lost(8)
    error = _error(wiener_frames(magnitudes, lost), magnitudes, lost)
    assert error < 0.5 * _error(interpolate_frames(magnitudes, lost), magnitudes, lost)


def test_it_is_the_estimate_of_least_error_from_the_estimated_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    """One estimate, solved exactly, beside the same in a few lines of numpy."""
    monkeypatch.setattr(wiener, "NUM_ESTIMATES", 1)
    monkeypatch.setattr(wiener, "NUM_STEPS", 100)
    random = np.random.default_rng(0)
    magnitudes = np.abs(np.cumsum(random.standard_normal((64, 3)), axis=0)) + 1
    lost = draw_lost_frames(0, 1, num_frames=64)
    filled = wiener_frames(torch.from_numpy(magnitudes), torch.from_numpy(lost)).numpy()
    np.testing.assert_allclose(filled[lost], _kriged(magnitudes, lost), rtol=1e-6)


def _kriged(magnitudes: NDArray[np.float64], lost: NDArray[np.bool_]) -> NDArray[np.float64]:
    num_frames, (known,) = len(lost), np.nonzero(~lost)
    mean = magnitudes[known].mean(axis=0)
    centred = np.where(lost[:, None], 0.0, magnitudes - mean)
    lags = np.arange(num_frames)
    products = np.array([(centred[: num_frames - lag] * centred[lag:]).sum(axis=0) for lag in lags])
    pairs = np.array([((~lost)[: num_frames - lag] & (~lost)[lag:]).sum() for lag in lags])
    covariance = products / np.maximum(pairs, 0.5)[:, None]
    shared = covariance.sum(axis=1, keepdims=True) / covariance[0].sum()
    correlation = (1 - wiener.SHARED) * covariance / covariance[0] + wiener.SHARED * shared
    correlation *= np.exp(-0.5 * (lags[:, None] / wiener.REACH) ** 2)
    ring = np.concatenate([correlation, np.zeros((1, 3)), correlation[:0:-1]])
    positive = np.fft.ifft(np.fft.fft(ring, axis=0).real.clip(0), axis=0).real[:num_frames]
    correlation = positive / positive[0]
    filled = np.empty((lost.sum(), 3))
    for column in range(3):
        matrix = correlation[np.abs(lags[:, None] - lags), column]
        weights = np.linalg.solve(
            matrix[np.ix_(known, known)] + wiener.NOISE * np.eye(len(known)), centred[known, column]
        )
        filled[:, column] = mean[column] + matrix[np.ix_(np.flatnonzero(lost), known)] @ weights
    return filled.clip(0)


def test_known_frames_come_back_bit_for_bit_and_lost_ones_are_not_looked_at() -> None:
    magnitudes, lost = torch.rand(4, 128, 5, generator=torch.Generator().manual_seed(0)), _lost(4)
    spoiled = magnitudes.masked_fill(lost.unsqueeze(-1), torch.nan)
    filled = wiener_frames(spoiled, lost)
    assert torch.equal(filled[~lost], magnitudes[~lost])
    assert torch.equal(filled, wiener_frames(magnitudes, lost))


def test_louder_music_gives_the_same_answer_louder() -> None:
    magnitudes, lost = torch.rand(2, 128, 5, generator=torch.Generator().manual_seed(1)), _lost(2)
    torch.testing.assert_close(wiener_frames(1e-3 * magnitudes, lost), 1e-3 * wiener_frames(magnitudes, lost))


def test_a_batch_equals_its_members_one_by_one() -> None:
    magnitudes, lost = torch.rand(4, 60, 6, generator=torch.Generator().manual_seed(2)), _lost(4, 60)
    alone = torch.stack([wiener_frames(one, gaps) for one, gaps in zip(magnitudes, lost, strict=True)])
    torch.testing.assert_close(wiener_frames(magnitudes, lost), alone)


@pytest.mark.parametrize("num_frames", [384, 1000])
def test_a_long_spectrogram_is_filled_by_stretches(num_frames: int) -> None:
    magnitudes, lost = torch.rand(2, num_frames, 3, generator=torch.Generator().manual_seed(3)), _lost(2, num_frames)
    filled = wiener_frames(magnitudes, lost)
    assert torch.equal(filled[~lost], magnitudes[~lost])
    middle = slice(128, 192)  # of the window from 64 to 320, and its own part of it
    alone = wiener_frames(magnitudes[:, 64:320], lost[:, 64:320])[:, 64:128]
    torch.testing.assert_close(filled[:, middle], alone)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(1, 4), st.integers(0, 2**31))
def test_whatever_is_lost_the_estimate_is_finite_and_not_negative(num_frames: int, num_bins: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    magnitudes = torch.from_numpy(random.random((num_frames, num_bins)) * random.integers(0, 2, num_bins))
    lost = torch.from_numpy(random.random(num_frames) < random.random())
    filled = wiener_frames(magnitudes, lost)
    assert filled.isfinite().all() and (filled >= 0).all()


def test_a_bin_that_does_not_vary_is_filled_with_its_mean_and_nothing_with_zeros() -> None:
    lost = _lost(1)[0]
    torch.testing.assert_close(wiener_frames(torch.full((128, 3), 0.7), lost), torch.full((128, 3), 0.7))
    assert not wiener_frames(torch.ones(4, 3), torch.ones(4, dtype=torch.bool)).any()
