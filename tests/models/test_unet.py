"""The reference's U-Nets: gradients, residual outputs, and a golden forward pass."""

from itertools import product

import pytest
import torch

from inpaint_ray.models.registry import ARCHITECTURES, build_model
from inpaint_ray.models.unet import UNetConfig

RESIDUAL = [
    name for name, e in ARCHITECTURES.items() if isinstance(e.config, UNetConfig) and e.config.output == "input_minus"
]


@pytest.mark.parametrize("name", ["UNet", "LinkNet", "Attention_UNet_t2"])
def test_every_parameter_gets_a_finite_gradient(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name)
    model(torch.rand(2, 1, 64, 64)).square().mean().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", RESIDUAL)
def test_a_residual_network_whose_last_convolution_is_zero_returns_its_input(name: str) -> None:
    model = build_model(name).eval()
    torch.nn.init.zeros_(model.last.weight)
    given = torch.rand(1, 1, 40, 33)
    with torch.inference_mode():
        assert torch.equal(model(given), given)


def test_the_forward_pass_under_a_fixed_seed_is_golden() -> None:
    torch.manual_seed(0)
    model = build_model("UNet_v2").eval()
    given = torch.linspace(0, 1, 64 * 64).reshape(1, 1, 64, 64).sin()
    with torch.inference_mode():
        output = model(given)
    assert output.mean().item() == pytest.approx(0.0110548, rel=1e-3)
    assert output.std().item() == pytest.approx(0.0127137, rel=1e-3)


def test_batch_norm_follows_keras() -> None:
    norms = [m for m in build_model("UNet").modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}
    assert len(norms) == 11


def test_weights_are_drawn_as_glorot_normal() -> None:
    torch.manual_seed(0)
    weight = build_model("UNet").bottom[0].weight
    expected = (2 / (512 * 9 + 1024 * 9)) ** 0.5
    assert weight.std().item() == pytest.approx(expected, rel=0.01)
    assert weight.abs().max().item() <= 2.3 * expected  # truncated at two deviations of the wider normal


def test_no_two_architectures_are_the_same() -> None:
    configs = [entry.config for entry in ARCHITECTURES.values()]
    assert all(a != b for (i, a), (j, b) in product(enumerate(configs), repeat=2) if i != j)
