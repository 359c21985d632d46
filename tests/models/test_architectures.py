"""A contract over every architecture with real weights: gradients, residual outputs, checkpoints, initial weights."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from inpaint_ray.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from inpaint_ray.models.gap_unet import GapUNet
from inpaint_ray.models.output import restored_of, total_loss
from inpaint_ray.models.registry import ARCHITECTURES, build_model

OF_REFERENCE = [name for name, entry in ARCHITECTURES.items() if entry.keras_params is not None]
RESIDUAL = [name for name in OF_REFERENCE if getattr(ARCHITECTURES[name].config, "output", "direct") != "direct"]


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest) -> Iterator[tuple[str, nn.Module]]:
    """A name and its model, which the tests share: to draw 20 million weights takes a second."""
    torch.manual_seed(0)
    yield request.param, build_model(request.param)


every_architecture = pytest.mark.parametrize("built", ARCHITECTURES, indirect=True)


def _patches(model: nn.Module, count: int = 1) -> Tensor:
    """(count, 1, T, F), small where the network takes any size."""
    patches = torch.rand(count, 1, *getattr(model, "patch_shape", (40, 33))) + 0.001
    patches[:, :, 5:9] = 0.001  # lost
    return patches


@every_architecture
def test_every_parameter_gets_a_finite_gradient(built: tuple[str, nn.Module]) -> None:
    model = built[1].train()
    if isinstance(model, GapUNet):
        nn.init.normal_(model.last.weight, std=0.02)  # it starts at zero, where nothing reaches the other weights
    given = _patches(model, 2)
    total_loss(model(given), lambda restored: (restored - given).square().mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    model.zero_grad(set_to_none=True)


@every_architecture
def test_a_checkpoint_gives_bit_identical_output(built: tuple[str, nn.Module], tmp_path: Path) -> None:
    name, model = built
    save_checkpoint(Checkpoint(model=model, architecture=name, scale=1.0), tmp_path)
    given = _patches(model)
    with torch.inference_mode():
        expected = restored_of(model.eval()(given))
        assert torch.equal(restored_of(load_checkpoint(tmp_path).model(given)), expected)
    (tmp_path / "model.safetensors").unlink()  # pytest keeps folders, of up to 190 MB here


@every_architecture
def test_batch_norm_and_initial_weights_follow_keras(built: tuple[str, nn.Module]) -> None:
    name, model = built
    if name not in OF_REFERENCE:
        pytest.skip("ours follows torch")
    for part_name, module in model.named_modules():
        match module:
            case nn.BatchNorm2d():
                assert (module.eps, module.momentum) == (1e-3, 0.01)
            case nn.PReLU():
                assert not module.weight.any()
            case nn.Conv2d() | nn.ConvTranspose2d() | nn.Linear():
                assert module.bias is None or not module.bias.any()
                of_encoder = name == "Efficient_UNet_v2" and part_name.split(".")[0] in ("stem", "blocks", "top")
                std, largest = _glorot(module, uniform=name.startswith("VAE") and isinstance(module, nn.Linear))
                if not of_encoder and module.weight.numel() > 2_000:
                    assert module.weight.std().item() == pytest.approx(std, rel=0.06), part_name
                    assert 0.9 * largest < module.weight.abs().max().item() <= 1.0001 * largest, part_name


def _glorot(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, *, uniform: bool) -> tuple[float, float]:
    """Standard deviation and largest weight: a uniform distribution, or a normal one cut at two deviations."""
    fans = module.weight.shape[0] + module.weight.shape[1]
    std = (2 / (fans * module.weight[0, 0].numel())) ** 0.5
    return std, std * (3**0.5 if uniform else 2 / 0.8796)


@pytest.mark.parametrize("built", RESIDUAL, indirect=True)
def test_a_residual_network_whose_last_convolution_is_zero_returns_its_input(built: tuple[str, nn.Module]) -> None:
    model = copy.deepcopy(built[1]).eval()
    lasts = [module for name, module in model.named_modules() if name.split(".")[-1] == "last"]
    for last in lasts:
        nn.init.zeros_(last.weight)
    given = _patches(model)
    with torch.inference_mode():
        outputs = model(given)
    assert torch.equal(restored_of(outputs), given)
    if built[0] == "Dual_Res_UNet_v2":
        assert len(lasts) == 2
        assert torch.equal(outputs.first, given)
