"""The names of methods and efforts, and the kind of function that a network is; knows no torch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from torch import Tensor

Effort = Literal["normal", "best"]
Method = Literal["auto", "autoregressive", "model", "griffin_lim", "linear", "silence"]
METHODS: tuple[Method, ...] = get_args(Method)
NEEDS_MODEL: tuple[Method, ...] = ("model", "griffin_lim")

MAX_GAP_S = 1.0

RestoreMagnitudes = Callable[["Tensor", "Tensor"], "Tensor"]  # (B, T, F) float32, (B, T) bool -> (B, T, F)
