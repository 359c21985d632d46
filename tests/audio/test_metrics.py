import math

import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from inpaint_ray.audio.metrics import (
    denormalise,
    join_step,
    log_spectral_distance,
    mse,
    normalise,
    nrmse,
    psnr,
    snr,
    spectral_convergence,
)


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(5, 128, 128, generator=generator), torch.rand(5, 128, 128, generator=generator)


def test_psnr_equals_that_of_torchmetrics() -> None:
    predicted, target = pair()
    expected = [float(peak_signal_noise_ratio(p, t, data_range=1.0)) for p, t in zip(predicted, target, strict=True)]
    assert psnr(predicted, target).tolist() == pytest.approx(expected, abs=1e-4)


def test_a_perfect_patch_has_infinite_psnr_and_no_nrmse() -> None:
    _, target = pair()
    assert psnr(target, target).tolist() == [math.inf] * 5
    assert nrmse(target, target).tolist() == [0.0] * 5


def test_a_constant_error_gives_the_numbers_worked_by_hand() -> None:
    target = torch.full((1, 128, 128), 0.5)
    predicted = target + 0.125
    assert mse(predicted, target).tolist() == [0.015625]
    assert psnr(predicted, target).item() == pytest.approx(18.0618, abs=1e-4)
    assert nrmse(predicted, target).item() == pytest.approx(0.25)


def test_normalising_and_back_is_the_identity_and_never_below_zero() -> None:
    magnitudes = pair()[0] * 100
    torch.testing.assert_close(denormalise(normalise(magnitudes, 73.5), 73.5), magnitudes, atol=1e-4, rtol=1e-5)
    assert normalise(torch.tensor(73.5), 73.5).item() == pytest.approx(1.001)
    assert denormalise(torch.tensor(0.0), 73.5).item() == 0.0


def test_snr_of_an_error_of_a_tenth_is_20_db() -> None:
    clean = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert snr(1.1 * clean, clean) == pytest.approx(20, abs=1e-5)
    assert snr(clean, clean) == math.inf
    assert snr(clean, torch.zeros(1000)) == -math.inf


def test_log_spectral_distance_of_half_the_magnitude_is_six_db() -> None:
    clean = torch.rand(10, 20) + 0.5
    assert log_spectral_distance(clean / 2, clean) == pytest.approx(6.02, abs=0.01)
    assert log_spectral_distance(clean, clean) == 0.0


def test_log_spectral_distance_of_silence_is_bounded_by_the_range() -> None:
    assert log_spectral_distance(torch.zeros(4, 5), torch.ones(4, 5)) == pytest.approx(60.0, abs=0.01)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_psnr_equals_that_of_torchmetrics_to_a_millionth_on_silent_and_loud_patches(level: float) -> None:
    predicted = pair()[0].double()
    target = torch.full((5, 128, 128), level, dtype=torch.float64)
    expected = [float(peak_signal_noise_ratio(p, t, data_range=1.0)) for p, t in zip(predicted, target, strict=True)]
    assert psnr(predicted, target).tolist() == pytest.approx(expected, abs=1e-6)


def test_nrmse_equals_the_definition_of_the_reference() -> None:
    predicted, target = (tensor.double() for tensor in pair())
    expected = [float(torch.linalg.norm(t - p) / torch.linalg.norm(t)) for p, t in zip(predicted, target, strict=True)]
    assert nrmse(predicted, target).tolist() == pytest.approx(expected, abs=1e-6)
    silent = normalise(torch.zeros(1, 128, 128), 7.0)  # the floor keeps it from dividing by zero
    assert nrmse(silent * 1.5, silent).item() == pytest.approx(0.5, abs=1e-6)


def test_spectral_convergence_of_half_the_magnitude_is_one_half() -> None:
    clean = torch.rand(10, 20) + 0.5
    assert spectral_convergence(clean / 2, clean) == pytest.approx(0.5, abs=1e-6)
    assert spectral_convergence(clean, clean) == 0.0
    assert spectral_convergence(torch.zeros(10, 20), clean) == pytest.approx(1.0)


def test_the_step_at_a_join_is_relative_to_the_largest_step_of_the_music() -> None:
    clean = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    lost = torch.tensor([False, False, True, True, False, False])
    restored = torch.tensor([0.0, 1.0, -2.0, 0.5, 0.0, 1.0])
    assert join_step(restored, clean, lost) == pytest.approx(3.0)
    assert join_step(clean, clean, lost) == pytest.approx(1.0)
    assert join_step(restored, clean, torch.ones(6, dtype=torch.bool)) == 0.0
