"""Our best networks: residual blocks at full resolution on the lowest bins, where nearly all of the error is.

Of the squared error that a network leaves, 71 % lies below 500 Hz and 96 % below 2 kHz, so that is where the
multiplications go; what is above gets a small tower of its own. Both correct the Wiener interpolation.

Shapes: (B, C, T, F), time before frequency; above, each `fold` neighbouring bins are folded into channels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inpaint_ray.models.blocks import pad_to_multiple
from inpaint_ray.models.gaps import (
    LOG_FLOOR,
    WienerStart,
    fill_lost,
    fold_bins,
    last_convolution,
    residual_blocks,
    unfold_bins,
)

NUM_INPUTS = 9  # WienerStart's, and the logarithms of both interpolations


@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """The sizes of the two towers, for low and for high bins."""

    low_bins: int = 32  # bins of the low tower, 62.5 Hz each
    low_width: int = 64  # channels
    low_blocks: int = 6
    fold: int = 4  # neighbouring bins folded into channels of the high tower
    high_width: int = 32
    high_blocks: int = 2

    def build(self) -> nn.Module:
        return WienerTower(self)


class WienerTower(nn.Module):
    """Two towers of residual blocks that correct the Wiener interpolation; untrained, they give exactly that."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.config = config
        self.start = WienerStart()
        self.low = _tower(NUM_INPUTS, config.low_width, config.low_blocks, 1)
        self.high = _tower(NUM_INPUTS * config.fold, config.high_width, config.high_blocks, config.fold)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Restore normalised magnitudes, (B, 1, T, F) at any T and F."""
        return fill_lost(magnitudes, self._restore)

    def _restore(self, relative: Tensor, lost: Tensor) -> Tensor:
        """Restore magnitudes over the mean known one, (B, T, F), in lost frames, (B, T)."""
        start, local, inputs = self.start(relative, lost)
        _, _, interpolated, line, *_ = inputs
        logarithms = [torch.log(filled + LOG_FLOOR) for filled in (interpolated, line)]
        stacked = torch.stack([*inputs, *logarithms], dim=-1).movedim(-1, 1)  # channels last: half the time on a CPU
        return (start + local * self._correction(stacked)).clamp(min=0)

    def _correction(self, inputs: Tensor) -> Tensor:
        """Compute the correction: (B, inputs, T, F) to (B, T, F)."""
        low, high = inputs[..., : self.config.low_bins], inputs[..., self.config.low_bins :]
        corrections = [self.low(low).squeeze(1)]
        if high.shape[-1]:
            folded = fold_bins(pad_to_multiple(high, self.config.fold), self.config.fold)
            corrections.append(unfold_bins(self.high(folded))[:, : high.shape[-2], : high.shape[-1]])
        return torch.cat(corrections, dim=-1)


def _tower(num_inputs: int, width: int, num_blocks: int, num_outputs: int) -> nn.Sequential:
    """Return a tower: (B, inputs, T, F) to (B, outputs, T, F)."""
    return nn.Sequential(
        nn.Conv2d(num_inputs, width, 3, padding=1),
        residual_blocks(width, num_blocks),
        last_convolution(width, num_outputs),
    )
