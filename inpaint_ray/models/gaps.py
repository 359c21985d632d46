"""The parts that our own networks share: they correct an interpolation of lost frames, at the level of the known ones.

Shapes: (B, C, T, F), time before frequency.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from inpaint_ray.audio.interpolation import interpolate_frames, nearest_known
from inpaint_ray.audio.metrics import NORMALISATION_FLOOR
from inpaint_ray.audio.wiener import wiener_frames

LOG_FLOOR = 1e-2  # of the mean known magnitude: what is quieter hardly counts in PSNR
LEVEL_FLOOR = 1e-7  # of full scale: the level of a patch whose known frames are silent
LOCAL_REACH = (8, 1)  # frames and bins on either side, whose mean is the local level


def fill_lost(magnitudes: Tensor, restore: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Restore lost frames over the mean known magnitude; a frame counts as lost where all its bins are zero.

    So frames of digital silence are restored too; whoever keeps the known frames (as `filling.spectrogram` does) never
    sees that.

    Args:
        magnitudes: (B, 1, T, F) normalised.
        restore: of magnitudes over the mean known one, (B, T, F), and lost, (B, T) bool, to restored ones.

    Returns:
        (B, 1, T, F) normalised; known frames are the input's but for rounding.
    """
    linear = (magnitudes - NORMALISATION_FLOOR).clamp(min=0).squeeze(1)  # (B, T, F)
    lost = linear.amax(dim=-1) <= 0  # (B, T)
    num_known = (~lost).sum(dim=-1).clamp(min=1) * linear.shape[-1]
    level = (linear.sum(dim=(-2, -1)) / num_known).clamp(min=LEVEL_FLOOR)[:, None, None]
    relative = linear / level
    filled = torch.where(lost.unsqueeze(-1), restore(relative, lost), relative) * level
    return (filled + NORMALISATION_FLOOR).unsqueeze(1)


class WienerStart(nn.Module):
    """The Wiener interpolation, and the inputs of a network that corrects it, divided by the local level.

    So partials beat alike wherever they are and however loud. No parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        # Inductor has no code for complex numbers, and errs by 0.2 %. Here, for `disable` imports much.
        self._wiener_frames = torch.compiler.disable(wiener_frames)

    def forward(self, relative: Tensor, lost: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Interpolate magnitudes over the mean known one, (B, T, F), in lost frames, (B, T) bool.

        Returns:
            The interpolation, (B, T, F); the local level, (B, T, F); seven inputs, each (B, T, F): the logarithm of
            the local level; over it the known frames, the interpolation and the line; `places`.
        """
        start = self._wiener_frames(relative, lost)
        frames, bins = LOCAL_REACH
        kernel = (2 * frames + 1, 2 * bins + 1)
        local = functional.avg_pool2d(start, kernel, stride=1, padding=LOCAL_REACH, count_include_pad=False) + LOG_FLOOR
        known = relative * (~lost).unsqueeze(-1)
        relative_inputs = [each / local for each in (known, start, interpolate_frames(relative, lost))]
        return start, local, [torch.log(local) / 4, *relative_inputs, *places(lost, relative.shape)]


class ResidualBlock(nn.Module):
    """A residual block, x + conv(silu(conv(silu(x)))), the second convolution starting small."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.silu(self.first(functional.silu(x))))


def residual_blocks(width: int, num_blocks: int) -> nn.Sequential:
    """Return residual blocks in sequence."""
    return nn.Sequential(*(ResidualBlock(width) for _ in range(num_blocks)))


def fold_bins(x: Tensor, fold: int) -> Tensor:
    """Fold neighbouring bins into channels: (B, C, T, F) to (B, fold C, T, F / fold)."""
    batch, channels, frames, bins = x.shape
    return x.reshape(batch, channels, frames, bins // fold, fold).movedim(-1, 2).flatten(1, 2)


def unfold_bins(x: Tensor) -> Tensor:
    """Unfold channels into neighbouring bins of one channel: (B, fold, T, F / fold) to (B, T, F)."""
    return x.movedim(1, -1).flatten(-2)


def last_convolution(width: int, channels: int) -> nn.Conv2d:
    """Return a convolution that starts at zero: an untrained network corrects nothing."""
    last = nn.Conv2d(width, channels, 3, padding=1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return last


def draw_last_weights(model: nn.Module, std: float = 0.02) -> None:
    """Draw weights for the convolutions that start at zero, through which no gradient comes and no difference shows."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.any():
            nn.init.normal_(module.weight, std=std)


def places(lost: Tensor, shape: torch.Size) -> list[Tensor]:
    """Return three inputs: lost frames, and the distances to the nearest known ones before and after each frame."""
    before, after = nearest_known(lost)
    time = torch.arange(lost.shape[-1], device=lost.device)
    distances = (torch.log1p(frames.float()) / 4 for frames in (time - before, after - time))
    return [frames.float().unsqueeze(-1).expand(shape) for frames in (lost, *distances)]
