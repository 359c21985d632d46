"""The reference's U-Net whose encoder is EfficientNet-B0 (Tan and Le, 2019) as Keras builds it, with one input channel.

Stochastic depth is left out: the reference's training loop runs its networks in inference mode, where it does nothing.

Shapes: (B, C, T, F), time before frequency.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inpaint_ray.models.blocks import (
    ChannelGate,
    SameConv2d,
    SameConvTranspose2d,
    batch_norm,
    conv_norm_relu,
    draw_truncated_normal,
    initialise_like_keras,
    pad_to_multiple,
)
from inpaint_ray.models.output import combine

STEM, TOP = 32, 1280  # channels of the encoder's first and last convolution
INPUT_SCALE = 1 / 255  # Keras's model takes images


class Stage(NamedTuple):
    """A stage of blocks of the same kind; the first of them changes the size."""

    num_blocks: int
    kernel_size: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True, kw_only=True)
class EfficientUNetConfig:
    """The decoder's size."""

    widths: tuple[int, ...] = (256, 128, 64, 32, 16)  # from the bottom up

    def build(self) -> nn.Module:
        return EfficientUNet(self)


class EfficientUNet(nn.Module):
    """EfficientNet-B0 and a decoder that is given the expanded features before each halving."""

    def __init__(self, config: EfficientUNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = _conv_norm_swish(1, STEM, 3, 2)
        self.blocks = nn.ModuleList()
        self.strides: list[int] = []
        skips = []  # channels, largest features first
        width_in = STEM
        for stage in STAGES:
            for stride in (stage.stride, *[1] * (stage.num_blocks - 1)):
                self.blocks.append(InvertedBottleneck(width_in, stage, stride))
                self.strides.append(stride)
                if stride > 1:
                    skips.append(width_in * stage.expansion)
                width_in = stage.width
        self.top = _conv_norm_swish(width_in, TOP, 1)
        _initialise_encoder(self)
        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        for width_in, skip, width in zip((TOP, *config.widths), (*skips[::-1], 0), config.widths, strict=False):
            self.ups.append(
                nn.Sequential(SameConvTranspose2d(width_in, width, 4, bias=False), batch_norm(width), nn.ReLU())
            )
            self.decoders.append(conv_norm_relu(width + skip, width))
        self.last = SameConv2d(config.widths[-1], 1, 3)
        for part in (self.ups, self.decoders, self.last):
            initialise_like_keras(part)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Restore normalised magnitudes, (B, 1, T, F) at any T and F."""
        x = self.stem(pad_to_multiple(magnitudes, 32) * INPUT_SCALE)
        features = []
        for block, stride in zip(self.blocks, self.strides, strict=True):
            x, expanded = block(x)
            if stride > 1:
                features.append(expanded)
        x = self.top(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = up(x)
            x = decoder(torch.cat([x, features.pop()], dim=1) if features else x)
        return combine("direct", magnitudes, self.last(x))


class InvertedBottleneck(nn.Module):
    """An inverted bottleneck: expand, convolve depthwise, weight channels, project; residual where shapes agree."""

    def __init__(self, width_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        self.adds = stride == 1 and width_in == stage.width
        width = width_in * stage.expansion
        self.expand = nn.Identity() if stage.expansion == 1 else _conv_norm_swish(width_in, width, 1)
        self.narrow = nn.Sequential(
            _conv_norm_swish(width, width, stage.kernel_size, stride, groups=width),
            ChannelGate(width, width_in // 4, nn.SiLU),
            SameConv2d(width, stage.width, 1, bias=False),
            batch_norm(stage.width),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the output and the expanded features."""
        expanded = self.expand(x)
        narrow = self.narrow(expanded)
        return x + narrow if self.adds else narrow, expanded


def _conv_norm_swish(width_in: int, width: int, kernel_size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = SameConv2d(width_in, width, kernel_size, stride, groups=groups, bias=False)
    return nn.Sequential(convolution, batch_norm(width), nn.SiLU())


def _initialise_encoder(encoder: nn.Module) -> None:
    """Draw weights as Keras's EfficientNet does: truncated normal of variance 2 / fan-out, biases zero."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            _, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
            groups = module.groups if isinstance(module, nn.Conv2d) else 1
            draw_truncated_normal(module.weight, variance=2 * groups / fan_out)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
