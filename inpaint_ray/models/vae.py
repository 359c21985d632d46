"""The reference's variational autoencoders: UNet_v2 whose bottom goes through a latent vector; its skips stay.

Shapes: (B, C, T, F), time before frequency; only patches of 128 x 128 fit the dense layers.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from inpaint_ray.models.blocks import rectifier
from inpaint_ray.models.output import Criterion, Output, combine
from inpaint_ray.models.unet import BOTTOM, UP_SLOPE, WIDTHS, UNet, UNetConfig

PATCH_SHAPE = (128, 128)  # frames, bins
BOTTOM_SHAPE = (BOTTOM, *(size // 2 ** len(WIDTHS) for size in PATCH_SHAPE))
FLAT = BOTTOM_SHAPE[0] * BOTTOM_SHAPE[1] * BOTTOM_SHAPE[2]


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """The choices in which variational autoencoders differ."""

    num_hidden: int = 600
    num_latent: int = 300
    activation: Literal["relu", "leaky"] = "relu"  # leaky: LeakyReLU everywhere, but nothing after the hidden layer
    output: Output = "direct"

    def build(self) -> nn.Module:
        return VAE(self)


class VAEOutput(NamedTuple):
    """The prediction and the distribution of the latent vector."""

    restored: Tensor  # (B, 1, 128, 128)
    mean: Tensor  # (B, latent)
    log_variance: Tensor  # (B, latent)

    def loss(self, criterion: Criterion) -> Tensor:
        """Add to the criterion the divergence from a standard normal: summed over the latent vector, mean over B."""
        mean, log_variance = self.mean.float(), self.log_variance.float()
        divergence = -(1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1) / 2
        return criterion(self.restored) + divergence.mean()


class VAE(nn.Module):
    """A U-Net with a latent vector of random draws at the bottom (Kingma and Welling, 2014).

    In training the vector is drawn; in evaluation it is the mean, so that a patch's restoration is the same every
    time and in any batch. The reference draws it in evaluation too.
    """

    patch_shape = PATCH_SHAPE  # the only size that forward takes; inpainting.tiles cuts others up

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        leaky = config.activation == "leaky"
        self.unet = UNet(UNetConfig(down="conv", activation=config.activation))
        self.hidden = nn.Sequential(nn.Linear(FLAT, config.num_hidden), nn.Identity() if leaky else nn.ReLU())
        self.mean = nn.Linear(config.num_hidden, config.num_latent)
        self.log_variance = nn.Linear(config.num_hidden, config.num_latent)
        self.widen = nn.Sequential(nn.Linear(config.num_latent, FLAT), rectifier(UP_SLOPE if leaky else 0.0))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)  # Keras's default, where the rest is Glorot normal
                nn.init.zeros_(module.bias)

    def forward(self, magnitudes: Tensor) -> VAEOutput:
        """Restore normalised magnitudes, (B, 1, 128, 128); returns the latent distribution, too.

        Raises:
            ValueError: patches of another size.
        """
        if magnitudes.shape[-2:] != PATCH_SHAPE:
            raise ValueError(
                f"a VAE takes patches of {PATCH_SHAPE[0]} x {PATCH_SHAPE[1]}, got {tuple(magnitudes.shape[-2:])}; "
                "restore_magnitudes and inpaint_magnitudes tile any size"
            )
        bottom, features = self.unet.encode(magnitudes)
        hidden = self.hidden(bottom.flatten(1))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        latent = mean + torch.exp(log_variance / 2) * torch.randn_like(mean) if self.training else mean
        estimate = self.unet.decode(self.widen(latent).unflatten(1, BOTTOM_SHAPE), features)
        return VAEOutput(combine(self.config.output, magnitudes, estimate), mean, log_variance)
