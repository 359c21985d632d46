"""The reference's plain stacks of convolutions: five names that differ in widths, kernels and layers between.

Shapes: (B, C, T, F), time before frequency.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from inpaint_ray.models.blocks import SameConv2d, batch_norm, initialise_like_keras
from inpaint_ray.models.output import Output, combine


@dataclass(frozen=True, kw_only=True)
class PlainConfig:
    """The choices in which stacks differ."""

    layers: tuple[tuple[int, int], ...]  # channels and kernel size of each convolution but the last
    last_kernel: int
    activation: Literal["prelu", "relu"] = "prelu"
    norm: bool = False  # batch normalisation after all convolutions but the first and the last
    output: Output = "direct"

    def build(self) -> nn.Module:
        return Plain(self)


class Plain(nn.Module):
    """A plain stack of convolutions (Dong et al., 2015; Zhang et al., 2017)."""

    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.config = config
        self.body = nn.Sequential()
        width_in = 1
        for number, (width, kernel_size) in enumerate(config.layers):
            self.body.append(SameConv2d(width_in, width, kernel_size))
            if config.norm and number > 0:
                self.body.append(batch_norm(width))
            self.body.append(nn.ReLU() if config.activation == "relu" else nn.PReLU(width, init=0.0))
            width_in = width
        self.last = SameConv2d(width_in, 1, config.last_kernel)
        initialise_like_keras(self)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Restore normalised magnitudes, (B, 1, T, F) at any T and F."""
        return combine(self.config.output, magnitudes, self.last(self.body(magnitudes)))
