"""A contract over the architectures: gradients, residual outputs, checkpoints, initial weights.

What a family's class decides is tested with real weights on one member of each, for to draw 20 million weights takes a
second; what the entry of a name decides is tested on all, on the meta device, without weights.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from inpaint_ray.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from inpaint_ray.models.gaps import draw_last_weights
from inpaint_ray.models.output import restored_of, total_loss
from inpaint_ray.models.registry import ARCHITECTURES, build_model
from tests.models.facts import REPRESENTATIVES, meta_model

OF_REFERENCE = [name for name, entry in ARCHITECTURES.items() if entry.keras_params is not None]
RESIDUAL = {  # one name for each family and sign
    (entry.family, output): name
    for name, entry in ARCHITECTURES.items()
    if (output := getattr(entry.config, "output", "direct")) != "direct"
}


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest) -> Iterator[tuple[str, nn.Module]]:
    """A name and its model, which the tests share."""
    torch.manual_seed(0)
    yield request.param, build_model(request.param)


one_of_each_family = pytest.mark.parametrize("built", REPRESENTATIVES, indirect=True)


def _patches(model: nn.Module, count: int = 1) -> Tensor:
    """Make patches, (count, 1, T, F), on the model's device, small where the network takes any size."""
    device = next(model.parameters()).device
    patches = torch.rand(count, 1, *getattr(model, "patch_shape", (40, 33)), device=device) + 0.001
    patches[:, :, 5:9] = 0.001  # lost
    return patches


def _backward(model: nn.Module) -> dict[str, Tensor | None]:
    """Names of parameters -> their gradients."""
    given = _patches(model, 2)
    total_loss(model.train()(given), lambda restored: (restored - given).square().mean()).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@one_of_each_family
def test_gradients_are_finite_and_not_zero(built: tuple[str, nn.Module]) -> None:
    model = built[1]
    draw_last_weights(model)
    for name, gradient in _backward(model).items():
        assert gradient is not None and gradient.isfinite().all() and gradient.any(), name
    model.zero_grad(set_to_none=True)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_output_depends_on_every_parameter(name: str) -> None:
    model = copy.deepcopy(meta_model(name))
    assert [name for name, gradient in _backward(model).items() if gradient is None] == []


@one_of_each_family
def test_a_checkpoint_gives_bit_identical_output(built: tuple[str, nn.Module], tmp_path: Path) -> None:
    name, model = built
    save_checkpoint(Checkpoint(model=model, architecture=name, scale=1.0), tmp_path)
    given = _patches(model)
    with torch.inference_mode():
        expected = restored_of(model.eval()(given))
        assert torch.equal(restored_of(load_checkpoint(tmp_path).model(given)), expected)
    (tmp_path / "model.safetensors").unlink()  # pytest keeps folders, of up to 190 MB here


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_all_that_a_model_keeps_is_in_its_checkpoint(name: str) -> None:
    model = meta_model(name)
    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    assert sorted(model.state_dict()) == sorted(name for name, _ in tensors)
    assert len({id(tensor) for _, tensor in tensors}) == len(tensors)  # safetensors refuses what is shared


@one_of_each_family
def test_initial_weights_follow_keras(built: tuple[str, nn.Module]) -> None:
    name, model = built
    if name not in OF_REFERENCE:
        pytest.skip("ours follows torch")
    for part_name, module in model.named_modules():
        match module:
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


@pytest.mark.parametrize("name", OF_REFERENCE)
def test_batch_norm_has_the_defaults_of_keras(name: str) -> None:
    norms = [module for module in meta_model(name).modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} <= {(1e-3, 0.01)}


@pytest.mark.parametrize("built", RESIDUAL.values(), indirect=True)
def test_a_residual_network_whose_last_convolution_is_zero_returns_its_input(built: tuple[str, nn.Module]) -> None:
    name, model = built[0], built[1].eval()
    lasts = [module for part_name, module in model.named_modules() if part_name.split(".")[-1] == "last"]
    for last in lasts:
        nn.init.zeros_(last.weight)
    given = _patches(model)
    with torch.inference_mode():
        outputs = model(given)
    assert torch.equal(restored_of(outputs), given)
    if name == "Dual_Res_UNet_v2":
        assert len(lasts) == 2
        assert torch.equal(outputs.first, given)
