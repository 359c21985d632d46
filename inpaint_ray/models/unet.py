"""The reference's U-shaped networks: thirteen names that differ in five choices (reference/architectures.md).

Shapes: (B, C, T, F), time before frequency; level i has T / 2^i frames and F / 2^i bins.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from inpaint_ray.models.blocks import (
    AttentionGate,
    SameConv2d,
    SameConvTranspose2d,
    Skip,
    batch_norm,
    conv_norm_relu,
    initialise_like_keras,
    pad_to_multiple,
    transpose_relu,
)
from inpaint_ray.models.output import Output, combine

WIDTHS = (32, 64, 128, 256, 512)
BOTTOM = 1024
NORM_SLOPE, UP_SLOPE = 0.3, 0.2  # of LeakyReLU after normalisation, and after transposed convolutions


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """The choices in which U-shaped architectures differ."""

    down: Literal["pool", "conv"] = "pool"  # v1 max-pools, v2 learns a stride-2 convolution
    skip: Literal["plain", "conv1x1", "conv3x3", "gate", "channel_gate"] = "plain"
    merge: Literal["concat", "add"] = "concat"
    up: Literal["transpose", "linknet"] = "transpose"
    activation: Literal["relu", "leaky"] = "relu"  # "leaky" inside one of the VAEs only
    output: Output = "direct"  # "Res_" in the paper's names: input_minus

    def build(self) -> nn.Module:
        return UNet(self)


class UNet(nn.Module):
    """A U-Net: an encoder of five levels, a bottom, a decoder with skips (Ronneberger, Fischer and Brox, 2015)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        slope = NORM_SLOPE if config.activation == "leaky" else 0.0
        self.encoders, self.downs = nn.ModuleList(), nn.ModuleList()
        self.ups, self.skips, self.decoders = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for width_in, width in zip((1, *WIDTHS), WIDTHS, strict=False):
            self.encoders.append(conv_norm_relu(width_in, width, slope=slope))
            pooled = config.down == "pool"
            self.downs.append(nn.MaxPool2d(2) if pooled else conv_norm_relu(width, width, stride=2, slope=slope))
        self.bottom = conv_norm_relu(WIDTHS[-1], BOTTOM, slope=slope)
        for width_in, width in zip((BOTTOM, *WIDTHS[:0:-1]), WIDTHS[::-1], strict=True):
            self.ups.append(_up(config, width_in, width))
            self.skips.append(_skip(config, width))
            self.decoders.append(conv_norm_relu(width if config.merge == "add" else 2 * width, width, slope=slope))
        self.last = SameConv2d(WIDTHS[0], 1, 3)
        initialise_like_keras(self)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Restore normalised magnitudes, (B, 1, T, F) at any T and F."""
        bottom, features = self.encode(pad_to_multiple(magnitudes, 2 ** len(WIDTHS)))
        return combine(self.config.output, magnitudes, self.decode(bottom, features))

    def encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the bottom, (B, 1024, T/32, F/32), and the features of each level, largest first."""
        features = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            features.append(x)
            x = down(x)
        return self.bottom(x), features

    def decode(self, x: Tensor, features: list[Tensor]) -> Tensor:
        """Compute the last convolution's output, (B, 1, T, F), from the results of `encode`."""
        for up, skip, decoder, feature in zip(self.ups, self.skips, self.decoders, reversed(features), strict=True):
            x = up(x)
            passed = skip(feature, x)
            x = decoder(passed + x if self.config.merge == "add" else torch.cat([passed, x], dim=1))
        return self.last(x)


def _skip(config: UNetConfig, width: int) -> nn.Module:
    match config.skip:
        case "gate":
            return AttentionGate(width, 1)
        case "channel_gate":
            return AttentionGate(width, width)
        case "plain":
            return Skip()
        case "conv1x1":
            return Skip(width, 1)
        case "conv3x3":
            return Skip(width, 3)


def _up(config: UNetConfig, width_in: int, width: int) -> nn.Module:
    """Return an upsampling: a transposed convolution, or LinkNet's bottleneck (Chaurasia and Culurciello, 2017)."""
    if config.up == "transpose":
        return transpose_relu(width_in, width, slope=UP_SLOPE if config.activation == "leaky" else 0.0)
    narrow = width_in // 4
    return nn.Sequential(
        conv_norm_relu(width_in, narrow, 1),
        SameConvTranspose2d(narrow, narrow, 4),
        batch_norm(narrow),
        nn.ReLU(),
        conv_norm_relu(narrow, width, 1),
    )
