"""The reference's residual towers: eight names at one resolution, which differ in their blocks.

Shapes: (B, C, T, F), time before frequency.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from inpaint_ray.models.blocks import ChannelGate, SameConv2d, batch_norm, initialise_like_keras
from inpaint_ray.models.output import Output, combine


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """The choices in which towers differ."""

    num_stem: int = 1  # convolutions before the blocks, each with ReLU
    num_blocks: int = 9
    widths: tuple[int, ...] = (64, 64)  # channels after each convolution of a block
    kernel_size: int = 3
    norm: Literal["all", "inner", "none"] = "all"  # inner: after all convolutions of a block but its last
    gate_hidden: int | None = None  # width of the hidden layer of the blocks' channel gates, where there are gates
    end: Literal["relu_after_add", "relu_before_add", "no_relu"] = "relu_after_add"  # of a block
    output: Output = "input_plus"

    def build(self) -> nn.Module:
        return ResNet(self)


class ResNet(nn.Module):
    """A tower of residual blocks between a first and a last convolution (He et al., 2016)."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.widths[-1]
        stem = _convolutions([1, *[width] * config.num_stem], config.kernel_size)
        self.stem = nn.Sequential(*(module for convolution in stem for module in (convolution, nn.ReLU())))
        self.blocks = nn.Sequential()
        for number in range(config.num_blocks):
            bare = number == 0 and not config.num_stem  # the first block is given the one-channel input
            self.blocks.append(Block(config, 1 if bare else width))
        self.last = SameConv2d(width, 1, config.kernel_size)
        initialise_like_keras(self)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Restore normalised magnitudes, (B, 1, T, F) at any T and F."""
        return combine(self.config.output, magnitudes, self.last(self.blocks(self.stem(magnitudes))))


class Block(nn.Module):
    """A residual block, x + convolutions of x; a one-channel x is added to every channel."""

    def __init__(self, config: ResNetConfig, width_in: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        convolutions = _convolutions([width_in, *config.widths], config.kernel_size)
        for number, (convolution, width) in enumerate(zip(convolutions, config.widths, strict=True), start=1):
            inner = number < len(config.widths)
            layers.append(convolution)
            if config.norm == "all" or (config.norm == "inner" and inner):
                layers.append(batch_norm(width))
            if inner or config.end == "relu_before_add":
                layers.append(nn.ReLU())
        if config.gate_hidden is not None:
            layers.append(ChannelGate(config.widths[-1], config.gate_hidden))
        self.branch = nn.Sequential(*layers)
        self.end = nn.ReLU() if config.end == "relu_after_add" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.end(x + self.branch(x))


def _convolutions(widths: Sequence[int], kernel_size: int) -> list[SameConv2d]:
    return [SameConv2d(a, b, kernel_size) for a, b in zip(widths, widths[1:], strict=False)]
