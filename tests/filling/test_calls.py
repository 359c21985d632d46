"""The two Python calls, as people use them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from inpaint_ray import inpaint, inpaint_magnitudes
from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_checkpoint(Checkpoint(model=build_model("Gap_UNet"), architecture="Gap_UNet", scale=128.0), tmp_path / "best")
    return tmp_path / "best"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tone_is_filled_and_nothing_else_changes(dtype: type) -> None:
    time = np.arange(16_000) / 16_000
    clean = np.stack([np.sin(2 * np.pi * 440 * time), np.cos(2 * np.pi * 620 * time)]).astype(dtype) / 2
    lost = np.zeros(16_000, dtype=bool)
    lost[8_000:8_160] = True
    filled = inpaint(np.where(lost, 0, clean).astype(dtype), 16_000, lost)
    assert filled.dtype == dtype and filled.shape == clean.shape
    assert np.array_equal(filled[:, ~lost], clean[:, ~lost])
    assert np.abs(filled - clean).max() < 1e-3


def test_a_checkpoint_fills_long_gaps(checkpoint: Path) -> None:
    clean = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    lost = np.zeros(16_000, dtype=bool)
    lost[8_000:9_600] = True
    filled = inpaint(np.where(lost, 0, clean), 16_000, lost, method="model", checkpoint=checkpoint)
    assert np.array_equal(filled[~lost], clean[~lost])
    assert 0.3 < filled[lost].std() < 1.0  # the tone's own is 0.71


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_magnitudes_come_back_in_kind_with_known_frames_unchanged(kind: str, checkpoint: Path) -> None:
    magnitudes = torch.rand(2, 50, 77)
    lost = torch.zeros(2, 50, dtype=torch.bool)
    lost[:, 20:30] = True
    given = (magnitudes, lost) if kind == "torch" else (magnitudes.numpy(), lost.numpy())
    for filled in (inpaint_magnitudes(*given), inpaint_magnitudes(*given, checkpoint=checkpoint)):
        assert type(filled) is type(given[0])
        filled = torch.as_tensor(filled)
        assert torch.equal(filled[:, :20], magnitudes[:, :20]) and torch.equal(filled[:, 30:], magnitudes[:, 30:])
        assert (filled[:, 20:30] > 0).all()


def test_without_a_checkpoint_magnitudes_are_interpolated() -> None:
    time, lost = np.arange(100)[:, None], np.arange(100)[None] % 4 == 2
    magnitudes = (1 + np.cos(0.3 * time)).astype(np.float32)[None]
    assert np.abs(inpaint_magnitudes(magnitudes * ~lost[..., None], lost) - magnitudes).max() < 0.1


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"got \(2, 5, 3\) and \(2, 4\)"):
        inpaint_magnitudes(np.zeros((2, 5, 3), np.float32), np.zeros((2, 4), bool))


def test_more_effort_is_another_fill() -> None:
    random = np.random.default_rng(0)
    samples = np.cumsum(random.standard_normal(16_000)) / 100
    samples -= np.linspace(samples[0], samples[-1], len(samples))
    lost = np.zeros(16_000, dtype=bool)
    lost[8000:8200] = True
    normal, best = (inpaint(samples, 16_000, lost, effort=effort) for effort in ("normal", "best"))
    assert 0 < np.abs(best - normal)[lost].max()
    np.testing.assert_array_equal(best[~lost], samples[~lost])
