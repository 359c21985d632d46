"""The reference's feature pyramids: seven names that differ in six choices.

Shapes: (B, C, T, F), time before frequency. d2 to d5 are the pooled features of the encoder, at T/4 to T/32; p5 to p2
come down from the top, each twice the size of its d: T/16 to T/2.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from inpaint_ray.models.blocks import (
    AttentionGate,
    SameConv2d,
    Skip,
    conv_norm_relu,
    initialise_like_keras,
    pad_to_multiple,
    transpose_relu,
)
from inpaint_ray.models.output import Output, combine

WIDTHS = (32, 64, 128, 256, 512)
LATERAL = 128  # channels of laterals and of features from the level above
HEAD = 32  # channels of each level before the levels are fused
FACTORS = (16, 8, 4, 2)  # from p5, p4, p3, p2 to T


@dataclass(frozen=True, kw_only=True)
class FPNConfig:
    """The choices in which pyramids differ."""

    lateral: Literal["conv1x1", "conv3x3", "conv3x3_twice", "plain"] = "conv1x1"  # plain: of d5 alone a conv1x1
    gated: bool = False  # laterals weighted by features from the level above
    merge: Literal["add", "concat"] = "add"
    up: Literal["nearest", "transpose3x3", "transpose4x4"] = "nearest"
    fuse: Literal["all", "last"] = "all"  # levels that make the output
    output: Output = "direct"

    def build(self) -> nn.Module:
        return FPN(self)


class FPN(nn.Module):
    """An encoder of five levels, a way down from its top that laterals join, and levels fused (Lin et al., 2017)."""

    def __init__(self, config: FPNConfig) -> None:
        super().__init__()
        self.config = config
        pairs = zip((1, *WIDTHS), WIDTHS, strict=False)
        self.encoders = nn.ModuleList(nn.Sequential(conv_norm_relu(a, b), nn.MaxPool2d(2)) for a, b in pairs)
        encoded = WIDTHS[:0:-1]  # of d5, d4, d3, d2
        plain = config.lateral == "plain"
        laterals = (LATERAL, *encoded[1:]) if plain else (LATERAL,) * len(encoded)
        self.laterals, self.gates, self.ups, self.heads = (nn.ModuleList() for _ in range(4))
        above = 0  # channels of the features from the level above
        for level, factor in enumerate(FACTORS):
            lateral = laterals[level]
            top = level == 0
            self.laterals.append(nn.Identity() if plain and not top else _lateral(config, encoded[level]))
            self.gates.append(AttentionGate(lateral, 1, above) if config.gated and not top else Skip())
            merged = lateral + above if config.merge == "concat" else lateral
            above = merged if config.up == "nearest" else (*laterals[1:], LATERAL)[level]
            self.ups.append(_up(config, merged, above, 2))
            if config.fuse == "all" or factor == FACTORS[-1]:
                narrow = (conv_norm_relu(above, HEAD), conv_norm_relu(HEAD, HEAD))
                self.heads.append(nn.Sequential(*narrow, _up(config, HEAD, HEAD, factor)))
        self.fused = conv_norm_relu(HEAD * len(self.heads), HEAD)
        self.last = SameConv2d(HEAD, 1, 3)
        initialise_like_keras(self)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Restore normalised magnitudes, (B, 1, T, F) at any T and F."""
        x = pad_to_multiple(magnitudes, 2 ** len(WIDTHS))
        features = []  # d1 to d5
        for encoder in self.encoders:
            x = encoder(x)
            features.append(x)
        pyramid: list[Tensor] = []  # p5 to p2
        for lateral, gate, up, feature in zip(self.laterals, self.gates, self.ups, features[:0:-1], strict=True):
            x = lateral(feature)
            if pyramid:
                above = pyramid[-1]
                x = gate(x, above)
                x = x + above if self.config.merge == "add" else torch.cat([x, above], dim=1)
            pyramid.append(up(x))
        levels = pyramid[-len(self.heads) :]
        heads = [head(level) for head, level in zip(self.heads, levels, strict=True)]
        return combine(self.config.output, magnitudes, self.last(self.fused(torch.cat(heads, dim=1))))


def _lateral(config: FPNConfig, width_in: int) -> nn.Module:
    match config.lateral:
        case "conv1x1" | "plain":
            sizes = [1]
        case "conv3x3":
            sizes = [3]
        case "conv3x3_twice":
            sizes = [3, 3]
    widths = [width_in, *[LATERAL] * len(sizes)]
    layers = [(SameConv2d(a, b, size), nn.ReLU()) for a, b, size in zip(widths, widths[1:], sizes, strict=False)]
    return nn.Sequential(*(module for layer in layers for module in layer))


def _up(config: FPNConfig, width_in: int, width: int, factor: int) -> nn.Module:
    match config.up:
        case "nearest":
            return nn.Upsample(scale_factor=factor, mode="nearest")
        case "transpose3x3":
            return transpose_relu(width_in, width, 3, factor)
        case "transpose4x4":
            return transpose_relu(width_in, width, 4, factor)
