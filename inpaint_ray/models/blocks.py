"""What several families share: Keras's padding, normalisation and initialisation, in torch.

Shapes: (B, C, T, F), time before frequency.
"""

import math

from torch import Tensor, nn
from torch.nn import functional


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation with Keras's defaults: epsilon 1e-3, and 0.99 of the old statistics kept."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class SameConv2d(nn.Conv2d):
    """Convolution padded as Keras's "same" pads even sizes: max(k - s, 0) in all, the smaller half on top and left."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride)
        total = max(kernel_size - stride, 0)
        before = total // 2
        self.same_padding = (before, total - before, before, total - before)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(functional.pad(input, self.same_padding))


class SameConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution whose output is exactly stride times the input, cropped as Keras's "same" crops."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 2) -> None:
        crop = max(kernel_size - stride, 0)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=crop // 2,
            output_padding=max(stride - kernel_size, 0),
        )
        self.odd_crop = crop % 2

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        output = super().forward(input, output_size)
        return output[..., : output.shape[-2] - self.odd_crop, : output.shape[-1] - self.odd_crop]


def conv_norm_relu(in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """The reference's CBR block: convolution with bias, batch normalisation, ReLU."""
    return nn.Sequential(
        SameConv2d(in_channels, out_channels, kernel_size, stride),
        batch_norm(out_channels),
        nn.ReLU(),
    )


def initialise_like_keras(model: nn.Module) -> None:
    """Glorot normal weights, truncated at two standard deviations and scaled to keep the variance; biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
            std = math.sqrt(2 / (fan_in + fan_out)) / 0.87962566103423978  # std of a normal cut at two deviations
            nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad T and F at their ends, by repeating the last value, to multiples; (B, C, T, F)."""
    missing_time, missing_frequency = (-x.shape[-2] % multiple, -x.shape[-1] % multiple)
    if not missing_time and not missing_frequency:
        return x
    return functional.pad(x, (0, missing_frequency, 0, missing_time), mode="replicate")


def count_parameters(model: nn.Module) -> int:
    """Weights as Keras's "Total params" counts them: batch-norm running mean and variance included."""
    statistics = sum(
        buffer.numel() for name, buffer in model.named_buffers() if name.endswith(("running_mean", "running_var"))
    )
    return sum(parameter.numel() for parameter in model.parameters()) + statistics
