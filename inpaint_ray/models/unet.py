"""The reference's U-shaped networks: thirteen names that differ in five choices (reference/architectures.md).

Shapes: (B, C, T, F), time before frequency; level i has T / 2^i frames and F / 2^i bins.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from inpaint_ray.models.blocks import (
    SameConv2d,
    SameConvTranspose2d,
    batch_norm,
    conv_norm_relu,
    initialise_like_keras,
    pad_to_multiple,
)

WIDTHS = (32, 64, 128, 256, 512)
BOTTOM = 1024


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """What distinguishes one U-shaped architecture from another."""

    down: Literal["pool", "conv"] = "pool"  # v1 max-pools, v2 learns a stride-2 convolution
    skip: Literal["plain", "conv1x1", "conv3x3", "gate", "channel_gate"] = "plain"
    merge: Literal["concat", "add"] = "concat"
    up: Literal["transpose", "linknet"] = "transpose"
    output: Literal["direct", "input_minus"] = "direct"  # "Res_" in the paper's names

    def build(self) -> nn.Module:
        return UNet(self)


class UNet(nn.Module):
    """Encoder of five levels, a bottom, a decoder with skips (Ronneberger, Fischer and Brox, 2015)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoders, self.downs = nn.ModuleList(), nn.ModuleList()
        self.ups, self.skips, self.decoders = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for width_in, width in zip((1, *WIDTHS), WIDTHS, strict=False):
            self.encoders.append(conv_norm_relu(width_in, width))
            self.downs.append(nn.MaxPool2d(2) if config.down == "pool" else conv_norm_relu(width, width, stride=2))
        self.bottom = conv_norm_relu(WIDTHS[-1], BOTTOM)
        for width_in, width in zip((BOTTOM, *WIDTHS[:0:-1]), WIDTHS[::-1], strict=True):
            self.ups.append(_up(config, width_in, width))
            self.skips.append(_skip(config, width))
            self.decoders.append(conv_norm_relu(width if config.merge == "add" else 2 * width, width))
        self.last = SameConv2d(WIDTHS[0], 1, 3)
        initialise_like_keras(self)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Normalised magnitudes, (B, 1, T, F) at any T and F, to restored ones of the same shape."""
        *_, num_frames, num_bins = magnitudes.shape
        x = pad_to_multiple(magnitudes, 2 ** len(WIDTHS))
        features = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            features.append(x)
            x = down(x)
        x = self.bottom(x)
        for up, skip, decoder in zip(self.ups, self.skips, self.decoders, strict=True):
            x = up(x)
            passed = skip(features.pop(), x)
            x = decoder(passed + x if self.config.merge == "add" else torch.cat([passed, x], dim=1))
        x = self.last(x)[..., :num_frames, :num_bins]
        return magnitudes - x if self.config.output == "input_minus" else x


class Skip(nn.Module):
    """A skip connection that a convolution may refine; what comes up from below is not looked at."""

    def __init__(self, width: int, kernel_size: int | None) -> None:
        super().__init__()
        self.refine = (
            nn.Identity() if kernel_size is None else nn.Sequential(SameConv2d(width, width, kernel_size), nn.ReLU())
        )

    def forward(self, skip: Tensor, up: Tensor) -> Tensor:
        return self.refine(skip)


class AttentionGate(nn.Module):
    """A skip weighted by what comes up from below (Oktay et al., 2018)."""

    def __init__(self, width: int, num_gates: int) -> None:
        super().__init__()
        self.of_skip = SameConv2d(width, width, 1)
        self.of_up = SameConv2d(width, width, 1)
        self.gate = SameConv2d(width, num_gates, 1)

    def forward(self, skip: Tensor, up: Tensor) -> Tensor:
        weight = self.gate(functional.relu(self.of_skip(skip) + self.of_up(up)))
        return skip * torch.sigmoid(weight)  # (B, 1 or C, T, F) times (B, C, T, F)


def _skip(config: UNetConfig, width: int) -> nn.Module:
    match config.skip:
        case "gate":
            return AttentionGate(width, 1)
        case "channel_gate":
            return AttentionGate(width, width)
        case "plain":
            return Skip(width, None)
        case "conv1x1":
            return Skip(width, 1)
        case "conv3x3":
            return Skip(width, 3)


def _up(config: UNetConfig, width_in: int, width: int) -> nn.Module:
    """Twice the size: a transposed convolution, or LinkNet's bottleneck (Chaurasia and Culurciello, 2017)."""
    if config.up == "transpose":
        return nn.Sequential(SameConvTranspose2d(width_in, width, 3), nn.ReLU())
    narrow = width_in // 4
    return nn.Sequential(
        conv_norm_relu(width_in, narrow, 1),
        SameConvTranspose2d(narrow, narrow, 4),
        batch_norm(narrow),
        nn.ReLU(),
        conv_norm_relu(narrow, width, 1),
    )
