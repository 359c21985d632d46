"""The reference's two U-Nets in a row: the second refines the damage that the first one estimates.

Shapes: (B, 1, T, F), time before frequency.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from inpaint_ray.models.output import Criterion, Output, combine
from inpaint_ray.models.unet import UNet, UNetConfig


@dataclass(frozen=True, kw_only=True)
class CascadeConfig:
    """The networks of both stages, and the relation of their outputs to the input."""

    first: UNetConfig = UNetConfig(down="conv")
    second: UNetConfig = UNetConfig(down="conv")
    output: Output = "input_minus"

    def build(self) -> nn.Module:
        return Cascade(self)


class CascadeOutput(NamedTuple):
    """The predictions of the second stage, which is the result, and of the first."""

    restored: Tensor  # (B, 1, T, F)
    first: Tensor  # (B, 1, T, F)

    def loss(self, criterion: Criterion) -> Tensor:
        """Sum the criterion over both stages."""
        return criterion(self.restored) + criterion(self.first)


class Cascade(nn.Module):
    """Two U-Nets, the second fed the first one's estimate as it is, before it is taken from the input."""

    def __init__(self, config: CascadeConfig) -> None:
        super().__init__()
        self.config = config
        self.first = UNet(config.first)
        self.second = UNet(config.second)

    def forward(self, magnitudes: Tensor) -> CascadeOutput:
        """Restore normalised magnitudes, (B, 1, T, F) at any T and F, by both stages."""
        first = self.first(magnitudes)
        second = self.second(first)
        kind = self.config.output
        return CascadeOutput(combine(kind, magnitudes, second), combine(kind, magnitudes, first))
