"""The reference's U-Nets: a golden forward pass."""

import pytest
import torch

from inpaint_ray.models.registry import build_model


def test_the_forward_pass_under_a_fixed_seed_is_golden() -> None:
    torch.manual_seed(0)
    model = build_model("UNet_v2").eval()
    given = torch.linspace(0, 1, 64 * 64).reshape(1, 1, 64, 64).sin()
    with torch.inference_mode():
        output = model(given)
    assert output.mean().item() == pytest.approx(0.0110548, rel=1e-3)
    assert output.std().item() == pytest.approx(0.0127137, rel=1e-3)
