"""Blocks that several families share: Keras's padding, normalisation and initialisation, in torch.

Shapes: (B, C, T, F), time before frequency.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Return batch normalisation with Keras's defaults: epsilon 1e-3, and 0.99 of the old statistics kept."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class SameConv2d(nn.Conv2d):
    """Convolution padded as Keras's "same" pads even sizes: max(k - s, 0) in all, the smaller half on top and left."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        total = max(kernel_size - stride, 0)
        super().__init__(in_channels, out_channels, kernel_size, stride, total // 2, groups=groups, bias=bias)
        self.odd_padding = total % 2  # at the ends, beside what torch pads on all sides

    def forward(self, input: Tensor) -> Tensor:
        odd = self.odd_padding
        return super().forward(functional.pad(input, (0, odd, 0, odd)) if odd else input)


class SameConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution whose output is exactly stride times the input, cropped as Keras's "same" crops."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 2, *, bias: bool = True
    ) -> None:
        crop = max(kernel_size - stride, 0)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=crop // 2,
            output_padding=max(stride - kernel_size, 0),
            bias=bias,
        )
        self.odd_crop = crop % 2

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        output = super().forward(input, output_size)
        return output[..., : output.shape[-2] - self.odd_crop, : output.shape[-1] - self.odd_crop]


def rectifier(slope: float = 0.0) -> nn.Module:
    """Return ReLU, or LeakyReLU where a slope is given."""
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, *, slope: float = 0.0
) -> nn.Sequential:
    """Return the reference's CBR block: convolution with bias, batch normalisation, ReLU."""
    return nn.Sequential(
        SameConv2d(in_channels, out_channels, kernel_size, stride),
        batch_norm(out_channels),
        rectifier(slope),
    )


def transpose_relu(
    in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 2, *, slope: float = 0.0
) -> nn.Sequential:
    """Return the reference's upsampling: transposed convolution with bias and ReLU, without normalisation."""
    return nn.Sequential(SameConvTranspose2d(in_channels, out_channels, kernel_size, stride), rectifier(slope))


class Skip(nn.Module):
    """A skip connection that a convolution may refine; features of the level below are not used."""

    def __init__(self, width: int = 0, kernel_size: int | None = None) -> None:
        super().__init__()
        self.refine = (
            nn.Identity() if kernel_size is None else nn.Sequential(SameConv2d(width, width, kernel_size), nn.ReLU())
        )

    def forward(self, skip: Tensor, up: Tensor) -> Tensor:
        return self.refine(skip)


class AttentionGate(nn.Module):
    """A skip connection weighted by the features of the level below (Oktay et al., 2018).

    Args:
        width: channels of the skip, and inside.
        num_gates: 1, one weight for all channels of a bin, or `width`, a weight for each.
        width_up: channels of what comes from below; None is `width`.
    """

    def __init__(self, width: int, num_gates: int, width_up: int | None = None) -> None:
        super().__init__()
        self.of_skip = SameConv2d(width, width, 1)
        self.of_up = SameConv2d(width_up or width, width, 1)
        self.gate = SameConv2d(width, num_gates, 1)

    def forward(self, skip: Tensor, up: Tensor) -> Tensor:
        weight = self.gate(functional.relu(self.of_skip(skip) + self.of_up(up)))
        return skip * torch.sigmoid(weight)  # (B, 1 or C, T, F) times (B, C, T, F)


class ChannelGate(nn.Module):
    """Channels weighted by their means over the patch: squeeze and excitation (Hu, Shen and Sun, 2018)."""

    def __init__(self, width: int, num_hidden: int, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(width, num_hidden), activation(), nn.Linear(num_hidden, width), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x.mean(dim=(-2, -1)))[..., None, None]


def initialise_like_keras(model: nn.Module) -> None:
    """Draw Glorot normal weights, truncated at two standard deviations and scaled to keep the variance; biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
            draw_truncated_normal(module.weight, variance=2 / (fan_in + fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def draw_truncated_normal(weight: Tensor, *, variance: float) -> None:
    """Draw weights from a normal distribution cut at two standard deviations, of the given variance after the cut."""
    std = math.sqrt(variance) / 0.87962566103423978  # std of a standard normal cut at two deviations
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad T and F at their ends, by repeating the last value, to multiples; (B, C, T, F)."""
    missing_time, missing_frequency = (-x.shape[-2] % multiple, -x.shape[-1] % multiple)
    if not missing_time and not missing_frequency:
        return x
    return functional.pad(x, (0, missing_frequency, 0, missing_time), mode="replicate")


def count_parameters(model: nn.Module) -> int:
    """Count the weights as Keras's "Total params" does: running means and variances of batch normalisation included."""
    statistics = sum(
        buffer.numel() for name, buffer in model.named_buffers() if name.endswith(("running_mean", "running_var"))
    )
    return sum(parameter.numel() for parameter in model.parameters()) + statistics
