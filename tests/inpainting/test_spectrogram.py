"""Magnitudes filled by a network: known frames stay, and scores say what they should."""

import pytest
import torch
from torch import Tensor, nn

from inpaint_ray.audio.metrics import normalise
from inpaint_ray.inpainting.spectrogram import finite_patches, restore_magnitudes, score_patches


class Constant(nn.Module):
    def forward(self, magnitudes: Tensor) -> Tensor:
        return torch.full_like(magnitudes, 0.501)


LOST = torch.tensor([[False, True, True, False]])


def test_only_lost_frames_change() -> None:
    magnitudes = torch.arange(8.0).reshape(1, 4, 2)
    restored = restore_magnitudes(magnitudes, LOST, model=Constant(), scale=10.0)
    assert torch.equal(restored[:, [0, 3]], magnitudes[:, [0, 3]])
    torch.testing.assert_close(restored[:, 1:3], torch.full((1, 2, 2), 5.0))


def test_what_stands_in_lost_frames_is_not_looked_at() -> None:
    magnitudes = torch.ones(1, 4, 2)
    magnitudes[:, 1] = torch.nan
    assert restore_magnitudes(magnitudes, LOST, model=Constant(), scale=2.0).isfinite().all()


def test_scores_are_of_what_users_get_and_of_the_bare_network() -> None:
    target = torch.full((1, 1, 4, 2), 0.6)
    damaged = torch.where(LOST[:, None, :, None], 0.001, target)
    scores = score_patches(Constant(), damaged, target, LOST)
    error = 0.6 - 0.501
    assert scores["network_psnr"].item() == pytest.approx(-10 * torch.log10(torch.tensor(error**2)).item(), abs=1e-4)
    assert scores["psnr"].item() == pytest.approx(
        scores["network_psnr"].item() + 3.0103, abs=1e-3
    )  # half as much error
    assert scores["interpolation_psnr"].item() > 100


def test_a_patch_in_which_nothing_was_lost_is_left_out() -> None:
    target = torch.full((2, 1, 4, 2), 0.001)
    target[1] = 0.5
    damaged = torch.where(LOST[:, None, :, None], 0.001, target)
    assert finite_patches(score_patches(Constant(), damaged, target, LOST.expand(2, 4))).tolist() == [False, False]
    target[1, 0, 0] = 0.7  # so that interpolation is not perfect either
    damaged = torch.where(LOST[:, None, :, None], 0.001, target)
    assert finite_patches(score_patches(Constant(), damaged, target, LOST.expand(2, 4))).tolist() == [False, True]


def test_a_model_of_another_scale_gets_what_it_was_trained_on() -> None:
    seen = []

    class Recorder(nn.Module):
        def forward(self, magnitudes: Tensor) -> Tensor:
            seen.append(magnitudes)
            return magnitudes

    linear = torch.rand(1, 4, 2) + 0.5
    target = normalise(linear, 10.0).unsqueeze(1)
    score_patches(Recorder(), target, target, LOST, scale_ratio=10.0 / 40.0)
    torch.testing.assert_close(seen[0].squeeze(1), normalise(linear, 40.0))
