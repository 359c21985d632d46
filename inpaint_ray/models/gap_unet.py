"""Our own networks: a small U-Net that corrects an interpolation of lost frames, at the level of the known ones.

What the reference's networks lack: it is told which frames are lost, starts from their interpolation, and works on a
logarithmic scale relative to the patch's own level, so that quiet music counts as much as loud music.

Shapes: (B, C, T, F), time before frequency; inside, each `fold` neighbouring bins are folded into channels.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from inpaint_ray.audio.interpolation import interpolate_frames, nearest_known
from inpaint_ray.audio.metrics import NORMALISATION_FLOOR
from inpaint_ray.audio.wiener import wiener_frames
from inpaint_ray.models.blocks import pad_to_multiple

LOG_FLOOR = 1e-2  # of the mean known magnitude: what is quieter hardly counts in PSNR
LEVEL_FLOOR = 1e-7  # of full scale: the level of a patch whose known frames are silent
LOCAL_REACH = (8, 1)  # frames and bins on either side, whose mean is the local level


@dataclass(frozen=True, kw_only=True)
class GapUNetConfig:
    """What the network starts from, and its size."""

    start: Literal["line", "wiener"] = "line"  # the interpolation that is corrected
    widths: tuple[int, ...] = (32, 48, 64)  # channels of each level, each half the size of the one before
    fold: int = 4  # neighbouring bins folded into channels
    num_blocks: int = 2  # residual blocks at each level, going down and coming up

    def build(self) -> nn.Module:
        return GapUNet(self) if self.start == "line" else WienerUNet(self)


class GapUNet(nn.Module):
    """A residual U-Net whose output is a correction to the logarithm of the interpolation; untrained, it interpolates.

    A frame counts as lost where all its bins are zero, so frames of digital silence are interpolated too; whoever
    keeps the known frames (as `inpainting.spectrogram` does) never sees that.
    """

    num_inputs = 6  # log and root of the interpolation, root of the known frames, lost, distance before, distance after

    def __init__(self, config: GapUNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.first = nn.Conv2d(self.num_inputs * config.fold, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(_residual_blocks(width, config.num_blocks) for width in widths)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in zip(widths, widths[1:], strict=False))
        self.ups = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in zip(widths, widths[1:], strict=False))
        self.decoders = nn.ModuleList(_residual_blocks(width, config.num_blocks) for width in widths[:-1])
        self.last = nn.Conv2d(widths[0], config.fold, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Normalised magnitudes, (B, 1, T, F) at any T and F, to restored ones of the same shape."""
        linear = (magnitudes - NORMALISATION_FLOOR).clamp(min=0).squeeze(1)  # (B, T, F)
        lost = linear.amax(dim=-1) <= 0  # (B, T)
        num_known = (~lost).sum(dim=-1).clamp(min=1) * linear.shape[-1]
        level = (linear.sum(dim=(-2, -1)) / num_known).clamp(min=LEVEL_FLOOR)[:, None, None]
        relative = linear / level
        filled = torch.where(lost.unsqueeze(-1), self._restore(relative, lost), relative) * level
        return (filled + NORMALISATION_FLOOR).unsqueeze(1)

    def _restore(self, relative: Tensor, lost: Tensor) -> Tensor:
        """Magnitudes over the mean known one, (B, T, F), and lost frames, (B, T), to restored ones."""
        interpolated = interpolate_frames(relative, lost)
        start = torch.log(interpolated + LOG_FLOOR)
        known = relative.sqrt() * (~lost).unsqueeze(-1)
        inputs = [start / 4, interpolated.sqrt(), known, *_places(lost, relative.shape)]
        return (torch.exp(start + self._correction(torch.stack(inputs, dim=1))) - LOG_FLOOR).clamp(min=0)

    def _correction(self, inputs: Tensor) -> Tensor:
        """(B, inputs, T, F) to (B, T, F)."""
        *_, num_frames, num_bins = inputs.shape
        fold, depth = self.config.fold, 2 ** (len(self.config.widths) - 1)
        padded = pad_to_multiple(inputs, depth * fold)
        batch, channels, frames, bins = padded.shape
        folded = padded.reshape(batch, channels, frames, bins // fold, fold).movedim(-1, 2).flatten(1, 2)
        x = self.first(folded)
        features = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x)
            if level < len(self.downs):
                features.append(x)
                x = self.downs[level](x)
        for level in reversed(range(len(self.ups))):
            x = self.decoders[level](features[level] + functional.pixel_shuffle(self.ups[level](x), 2))
        unfolded = self.last(x).movedim(1, -1).flatten(-2)  # (B, T, F / fold, fold) to (B, T, F)
        return unfolded[:, :num_frames, :num_bins]


class WienerUNet(GapUNet):
    """The same network, whose output is a correction to the Wiener interpolation; untrained, it is that.

    It sees each bin over the local level, so that partials beat alike wherever they are and however loud.
    """

    num_inputs = 7  # log of the local level; over it: known frames, both interpolations; lost, the two distances

    def __init__(self, config: GapUNetConfig) -> None:
        super().__init__(config)
        # Inductor has no code for complex numbers, and errs by 0.2 %. Here, for `disable` imports much.
        self._wiener_frames = torch.compiler.disable(wiener_frames)

    def _restore(self, relative: Tensor, lost: Tensor) -> Tensor:
        start = self._wiener_frames(relative, lost)
        frames, bins = LOCAL_REACH
        kernel = (2 * frames + 1, 2 * bins + 1)
        local = functional.avg_pool2d(start, kernel, stride=1, padding=LOCAL_REACH, count_include_pad=False) + LOG_FLOOR
        known = relative * (~lost).unsqueeze(-1)
        seen = [shown / local for shown in (known, start, interpolate_frames(relative, lost))]
        inputs = [torch.log(local) / 4, *seen, *_places(lost, relative.shape)]
        return (start + local * self._correction(torch.stack(inputs, dim=1))).clamp(min=0)


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(silu(x)))), the second convolution starting small."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.silu(self.first(functional.silu(x))))


def _residual_blocks(width: int, num_blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(num_blocks)))


def _places(lost: Tensor, shape: torch.Size) -> list[Tensor]:
    """Whether a frame is lost, and how far the nearest known ones before and after it are, as three inputs."""
    before, after = nearest_known(lost)
    time = torch.arange(lost.shape[-1], device=lost.device)
    distances = (torch.log1p(frames.float()) / 4 for frames in (time - before, after - time))
    return [frames.float().unsqueeze(-1).expand(shape) for frames in (lost, *distances)]
