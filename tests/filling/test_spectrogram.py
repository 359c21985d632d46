"""Magnitudes filled by a network: known frames stay, and scores say what they should."""

import math

import pytest
import torch
from torch import Tensor, nn

from inpaint_ray.audio.metrics import normalise
from inpaint_ray.filling.spectrogram import (
    HIGHEST_PSNR,
    find_changed,
    restore_magnitudes,
    score_magnitudes,
    score_patches,
)


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


def test_patches_that_lost_nothing_but_silence_do_not_count() -> None:
    target = torch.full((3, 1, 4, 2), 0.001)
    target[1] = 0.5
    target[2, 0, 0] = 0.7  # a known frame: what is lost of this patch is silence
    damaged = torch.where(LOST[:, None, :, None], 0.001, target)
    assert find_changed(damaged, target).tolist() == [False, True, False]


def test_a_perfect_patch_has_the_highest_psnr_and_a_failed_one_the_lowest() -> None:
    truth = torch.full((4, 3, 2), 0.5)
    filled = truth + torch.tensor([0.0, 1e-3, 0.0, 0.0])[:, None, None]
    filled[2, 1, 1], filled[3, 1, 1] = torch.nan, torch.inf
    scores, errors = score_magnitudes(filled, truth)
    assert scores.tolist() == [HIGHEST_PSNR, pytest.approx(60.0, abs=1e-3), -math.inf, -math.inf]
    assert errors.tolist() == [0.0, pytest.approx(2e-3, rel=1e-3), math.inf, math.inf]


class FailsOnce(nn.Module):
    """A network whose output is not finite in one frame."""

    def __init__(self, frame: int, value: float) -> None:
        super().__init__()
        self.frame, self.value = frame, value

    def forward(self, magnitudes: Tensor) -> Tensor:
        output = magnitudes.clone()
        output[..., self.frame, 0] = self.value
        return output


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_lost_frame_for_which_the_network_fails_is_an_error_and_the_worst_score(value: float) -> None:
    magnitudes = torch.ones(1, 4, 2)
    with pytest.raises(ValueError, match="the network's output is not finite in 1 of 2 lost frames"):
        restore_magnitudes(magnitudes, LOST, model=FailsOnce(1, value))
    target = magnitudes.unsqueeze(1)
    damaged = torch.where(LOST[:, None, :, None], 0.001, target)
    scores = score_patches(FailsOnce(1, value), damaged, target, LOST)
    assert scores["psnr"].item() == scores["network_psnr"].item() == -math.inf and scores["nrmse"].item() == math.inf


def test_a_network_that_fails_in_known_frames_alone_does_no_harm_to_what_users_get() -> None:
    magnitudes = torch.ones(1, 4, 2)
    assert restore_magnitudes(magnitudes, LOST, model=FailsOnce(0, math.nan)).isfinite().all()
    target = magnitudes.unsqueeze(1)
    scores = score_patches(FailsOnce(0, math.nan), torch.where(LOST[:, None, :, None], 0.001, target), target, LOST)
    assert math.isfinite(scores["psnr"].item()) and scores["network_psnr"].item() == -math.inf


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
