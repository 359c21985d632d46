"""The names of methods and efforts, and the type of a network's function; imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from torch import Tensor

Effort = Literal["normal", "best"]
Method = Literal["auto", "autoregressive", "model", "griffin_lim", "linear", "silence"]
METHODS: tuple[Method, ...] = get_args(Method)
NEEDS_MODEL: tuple[Method, ...] = ("model", "griffin_lim")


@dataclass(frozen=True)
class ForLongGaps:
    """A network that `auto` uses for gaps above a length alone; it is loaded for the first of them."""

    load: Callable[[], "RestoreMagnitudes"]
    longer_than_s: float

    def __call__(self, magnitudes: "Tensor", lost: "Tensor") -> "Tensor":
        return self.load()(magnitudes, lost)


RestoreMagnitudes = Callable[["Tensor", "Tensor"], "Tensor"]  # (B, T, F) float32, (B, T) bool -> (B, T, F)
