"""The two U-Nets of other authors that the reference compares with.

Shapes: (B, C, T, F), time before frequency.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from inpaint_ray.models.blocks import (
    SameConv2d,
    SameConvTranspose2d,
    batch_norm,
    conv_norm_relu,
    initialise_like_keras,
    pad_to_multiple,
)
from inpaint_ray.models.output import combine

SLOPE = 0.3  # of UNetMandelli's LeakyReLU


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """The choice of a network, by its author."""

    author: Literal["sun", "mandelli"]

    def build(self) -> nn.Module:
        return UNetSun() if self.author == "sun" else UNetMandelli()


class UNetSun(nn.Module):
    """A U-Net of two levels with large kernels, nearest-neighbour upsampling and added skips."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = conv_norm_relu(1, 16, 6), conv_norm_relu(16, 32, 6)
        self.pool, self.up = nn.MaxPool2d(2), nn.Upsample(scale_factor=2, mode="nearest")
        self.bottom = nn.Sequential(conv_norm_relu(32, 32, 4), conv_norm_relu(32, 32))
        self.after_second, self.after_first = conv_norm_relu(32, 16), conv_norm_relu(16, 8)
        self.last = SameConv2d(8, 1, 3)
        initialise_like_keras(self)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Restore normalised magnitudes, (B, 1, T, F) at any T and F."""
        first = self.first(pad_to_multiple(magnitudes, 4))
        second = self.second(self.pool(first))
        bottom = self.bottom(self.pool(second))
        x = self.after_second(self.up(bottom) + second)
        x = self.after_first(self.up(x) + first)
        return combine("direct", magnitudes, self.last(x))


class UNetMandelli(nn.Module):
    """A U-Net of five levels of 4 x 4 convolutions with stride 2, transposed on the way up, and concatenated skips."""

    def __init__(self) -> None:
        super().__init__()
        widths = (64, 128, 256, 512)
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for width_in, width in zip((1, *widths), widths, strict=False):
            norm = nn.Identity() if width_in == 1 else batch_norm(width)
            self.downs.append(nn.Sequential(SameConv2d(width_in, width, 4, 2), norm, nn.LeakyReLU(SLOPE)))
        self.bottom = SameConv2d(widths[-1], widths[-1], 4, 2)
        for width_in, width in zip((512, 1024, 512, 256), widths[::-1], strict=True):
            self.ups.append(nn.Sequential(nn.ReLU(), SameConvTranspose2d(width_in, width, 4), batch_norm(width)))
        self.last = SameConvTranspose2d(2 * widths[0], 1, 4)
        initialise_like_keras(self)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Restore normalised magnitudes, (B, 1, T, F) at any T and F."""
        x = pad_to_multiple(magnitudes, 2 ** (len(self.downs) + 1))
        features = []
        for down in self.downs:
            x = down(x)
            features.append(x)
        x = self.bottom(x)
        for up, feature in zip(self.ups, reversed(features), strict=True):
            x = torch.cat([feature, up(x)], dim=1)
        return combine("direct", magnitudes, self.last(torch.relu(x)))
