"""The network of clicks: for every sample the logit that something was added to it.

Shapes: B = batch, n = samples.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from inpaint_ray.finding.residuals import NUM_FEATURES

WIDTHS = (16, 24, 32, 48)
STRIDE = 4
UNIT = STRIDE ** (len(WIDTHS) - 1)  # samples of the coarsest level's step


class ClickNetwork(nn.Module):
    """A small U-Net over time: four levels, each a quarter of the rate of the one above."""

    def __init__(self) -> None:
        super().__init__()
        self.into = _convolution(NUM_FEATURES, WIDTHS[0], 9)
        pairs = list(zip(WIDTHS[:-1], WIDTHS[1:], strict=True))
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv1d(fine, coarse, STRIDE, STRIDE), nn.ReLU(), _convolution(coarse, coarse, 5))
            for fine, coarse in pairs
        )
        self.up = nn.ModuleList(nn.Conv1d(coarse, fine, 1) for fine, coarse in pairs)
        self.join = nn.ModuleList(_convolution(fine, fine, 5) for fine, _ in pairs)
        self.out = nn.Conv1d(WIDTHS[0], 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Compute logits: (B, 8, n) -> (B, n), n a multiple of UNIT."""
        levels = [self.into(features)]
        for down in self.down:
            levels.append(down(levels[-1]))
        coarse = levels.pop()
        for up, join in zip(reversed(self.up), reversed(self.join), strict=True):
            fine = levels.pop()
            raised = functional.interpolate(up(coarse), scale_factor=float(STRIDE), mode="nearest")
            coarse = fine + join(torch.relu(fine + raised))
        logits: Tensor = self.out(coarse)
        return logits[:, 0]


def _convolution(width_in: int, width: int, length: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(width_in, width, length, padding="same"), nn.ReLU())
