"""What networks give: a tensor, or a tuple that has the restored magnitudes and what else their loss needs.

Shapes: (B, 1, T, F), time before frequency.
"""

from collections.abc import Callable
from typing import Literal, Protocol

from torch import Tensor

Output = Literal["direct", "input_minus", "input_plus"]  # what the last convolution's output is to the input
Criterion = Callable[[Tensor], Tensor]  # restored magnitudes -> a scalar


class Structured(Protocol):
    """A NamedTuple that a network with a loss of its own gives."""

    @property
    def restored(self) -> Tensor:
        """The prediction, (B, 1, T, F)."""

    def loss(self, criterion: Criterion) -> Tensor:
        """The whole loss, a scalar."""


def restored_of(output: Tensor | Structured) -> Tensor:
    """The prediction of any network, (B, 1, T, F)."""
    return output if isinstance(output, Tensor) else output.restored


def total_loss(output: Tensor | Structured, criterion: Criterion) -> Tensor:
    """The loss of any network: the criterion, and for those that say so more than that."""
    return criterion(output) if isinstance(output, Tensor) else output.loss(criterion)


def combine(kind: Output, magnitudes: Tensor, estimate: Tensor) -> Tensor:
    """The restored magnitudes from a network's last layer, whose padding at the ends is cut off."""
    *_, num_frames, num_bins = magnitudes.shape
    cropped = estimate[..., :num_frames, :num_bins]
    match kind:
        case "direct":
            return cropped
        case "input_minus":
            return magnitudes - cropped
        case "input_plus":
            return magnitudes + cropped
