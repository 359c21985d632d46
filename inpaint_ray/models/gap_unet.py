"""Our small networks: a U-Net that corrects an interpolation of lost frames, at the level of the known ones.

What the reference's networks lack: it is told which frames are lost, starts from their interpolation, and works on a
logarithmic scale relative to the patch's own level, so that quiet music counts as much as loud music.

Shapes: (B, C, T, F), time before frequency; inside, each `fold` neighbouring bins are folded into channels.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.models.blocks import pad_to_multiple
from inpaint_ray.models.gaps import (
    LOG_FLOOR,
    WienerStart,
    fill_lost,
    fold_bins,
    last_convolution,
    places,
    residual_blocks,
    unfold_bins,
)


@dataclass(frozen=True, kw_only=True)
class GapUNetConfig:
    """The interpolation that the network corrects, and its size."""

    start: Literal["line", "wiener"] = "line"  # the interpolation that is corrected
    widths: tuple[int, ...] = (32, 48, 64)  # channels of each level, each half the size of the one before
    fold: int = 4  # neighbouring bins folded into channels
    num_blocks: int = 2  # residual blocks at each level, going down and coming up

    def build(self) -> nn.Module:
        return GapUNet(self) if self.start == "line" else WienerUNet(self)


class GapUNet(nn.Module):
    """A residual U-Net that corrects the logarithm of an interpolation; untrained, it gives exactly that."""

    num_inputs = 6  # log and root of the interpolation, root of the known frames, lost, distance before, distance after

    def __init__(self, config: GapUNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.first = nn.Conv2d(self.num_inputs * config.fold, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(residual_blocks(width, config.num_blocks) for width in widths)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in zip(widths, widths[1:], strict=False))
        self.ups = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in zip(widths, widths[1:], strict=False))
        self.decoders = nn.ModuleList(residual_blocks(width, config.num_blocks) for width in widths[:-1])
        self.last = last_convolution(widths[0], config.fold)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Restore normalised magnitudes, (B, 1, T, F) at any T and F."""
        return fill_lost(magnitudes, self._restore)

    def _restore(self, relative: Tensor, lost: Tensor) -> Tensor:
        """Restore magnitudes over the mean known one, (B, T, F), in lost frames, (B, T)."""
        interpolated = interpolate_frames(relative, lost)
        start = torch.log(interpolated + LOG_FLOOR)
        known = relative.sqrt() * (~lost).unsqueeze(-1)
        inputs = [start / 4, interpolated.sqrt(), known, *places(lost, relative.shape)]
        return (torch.exp(start + self._correction(torch.stack(inputs, dim=1))) - LOG_FLOOR).clamp(min=0)

    def _correction(self, inputs: Tensor) -> Tensor:
        """Compute the correction: (B, inputs, T, F) to (B, T, F)."""
        *_, num_frames, num_bins = inputs.shape
        fold, depth = self.config.fold, 2 ** (len(self.config.widths) - 1)
        x = self.first(fold_bins(pad_to_multiple(inputs, depth * fold), fold))
        features = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x)
            if level < len(self.downs):
                features.append(x)
                x = self.downs[level](x)
        for level in reversed(range(len(self.ups))):
            x = self.decoders[level](features[level] + functional.pixel_shuffle(self.ups[level](x), 2))
        return unfold_bins(self.last(x))[:, :num_frames, :num_bins]


class WienerUNet(GapUNet):
    """The same U-Net, correcting the Wiener interpolation; untrained, it gives exactly that."""

    num_inputs = 7  # see WienerStart

    def __init__(self, config: GapUNetConfig) -> None:
        super().__init__(config)
        self.start = WienerStart()

    def _restore(self, relative: Tensor, lost: Tensor) -> Tensor:
        start, local, inputs = self.start(relative, lost)
        return (start + local * self._correction(torch.stack(inputs, dim=1))).clamp(min=0)
