"""Networks of one size on spectrograms of any size."""

import pytest
import torch
from torch import Tensor, nn

from inpaint_ray.filling import tiles
from inpaint_ray.filling.calls import inpaint_magnitudes
from inpaint_ray.filling.spectrogram import restore_magnitudes
from inpaint_ray.filling.tiles import predict
from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model
from inpaint_ray.models.vae import VAEOutput


class Squarer(nn.Module):
    """Stands in for a VAE: takes 16 x 8 only, and notes how many tiles it is given at once."""

    patch_shape = (16, 8)

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def forward(self, magnitudes: Tensor) -> VAEOutput:
        assert magnitudes.shape[1:] == (1, 16, 8)
        self.counts.append(len(magnitudes))
        return VAEOutput(magnitudes.square(), magnitudes, magnitudes)


@pytest.mark.parametrize(("num_frames", "num_bins"), [(16, 8), (5, 3), (17, 8), (100, 21), (16, 9), (24, 64)])
def test_weights_of_overlapping_tiles_sum_to_one(num_frames: int, num_bins: int) -> None:
    magnitudes = torch.rand(2, 1, num_frames, num_bins)
    torch.testing.assert_close(predict(Squarer(), magnitudes), magnitudes.square(), rtol=1e-5, atol=1e-7)


def test_the_network_is_never_given_more_than_some_tiles() -> None:
    model = Squarer()
    predict(model, torch.rand(1, 1, 1000, 64))
    assert sum(model.counts) == 124 * 15
    assert max(model.counts) == tiles.CPU_PATCHES


def test_tiles_fade_into_each_other() -> None:
    class Numbered(Squarer):
        def forward(self, magnitudes: Tensor) -> VAEOutput:
            number = torch.arange(len(magnitudes)).reshape(-1, 1, 1, 1).expand(magnitudes.shape).float()
            return VAEOutput(number, number, number)

    output = predict(Numbered(), torch.zeros(1, 1, 40, 8))[0, 0, :, 0]  # tiles at frames 0, 8, 16, 24
    steps = output.diff()
    assert (output[0].item(), output[-1].item()) == (0.0, 3.0)
    assert (steps >= -1e-6).all()
    assert steps.max().item() < 0.3


@pytest.mark.slow
def test_a_vae_fills_any_size_and_keeps_known_frames(tmp_path) -> None:
    torch.manual_seed(0)
    model = build_model("VAE_UNet_v2").eval()
    magnitudes, lost = torch.rand(1, 150, 140), torch.zeros(1, 150, dtype=torch.bool)
    lost[:, 60:75] = lost[:, 140:] = True
    restored = restore_magnitudes(magnitudes, lost, model=model, scale=2.0)
    assert torch.equal(restored[~lost], magnitudes[~lost])
    assert restored.isfinite().all()
    assert restored[lost].std() > 0
    save_checkpoint(Checkpoint(model=model, architecture="VAE_UNet_v2", scale=2.0), tmp_path)
    assert torch.equal(inpaint_magnitudes(magnitudes, lost, checkpoint=tmp_path), restored)
    (tmp_path / "model.safetensors").unlink()
