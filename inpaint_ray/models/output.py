"""Outputs of networks: a tensor, or a tuple of the restored magnitudes and what else their loss needs.

Shapes: (B, 1, T, F), time before frequency.
"""

from collections.abc import Callable
from typing import Literal, Protocol

from torch import Tensor

Output = Literal["direct", "input_minus", "input_plus"]  # the relation of the last convolution's output to the input
Criterion = Callable[[Tensor], Tensor]  # restored magnitudes -> a scalar


class Structured(Protocol):
    """The output of a network with a loss of its own, a NamedTuple."""

    @property
    def restored(self) -> Tensor:
        """Return the prediction, (B, 1, T, F)."""

    def loss(self, criterion: Criterion) -> Tensor:
        """Compute the whole loss, a scalar."""


def restored_of(output: Tensor | Structured) -> Tensor:
    """Return the prediction of any network, (B, 1, T, F)."""
    return output if isinstance(output, Tensor) else output.restored


def total_loss(output: Tensor | Structured, criterion: Criterion) -> Tensor:
    """Compute the loss of any network: the criterion, and further terms for those that define them."""
    return criterion(output) if isinstance(output, Tensor) else output.loss(criterion)


def combine(kind: Output, magnitudes: Tensor, estimate: Tensor) -> Tensor:
    """Compute the restored magnitudes from a network's last layer, cropped to the input's size."""
    *_, num_frames, num_bins = magnitudes.shape
    cropped = estimate[..., :num_frames, :num_bins]
    match kind:
        case "direct":
            return cropped
        case "input_minus":
            return magnitudes - cropped
        case "input_plus":
            return magnitudes + cropped
