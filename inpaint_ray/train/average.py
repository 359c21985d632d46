"""An exponential moving average of a model's weights and buffers, on its device."""

import copy

import torch
from torch import nn


class Average:
    """A copy of a model that follows it slowly.

    torch's AveragedModel waits for the device at every step, to see whether it is the first.

    Args:
        model: what it follows.
        decay: share of the average that stays at each step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.num_steps = 0
        self._decay = decay

    def follow(self, model: nn.Module) -> None:
        """Move towards the weights of the model; the first time, copy them."""
        mine, others = (list(of.state_dict().values()) for of in (self.model, model))
        floats = [number for number, tensor in enumerate(mine) if tensor.is_floating_point()]
        if self.num_steps and floats:
            torch._foreach_lerp_([mine[n] for n in floats], [others[n] for n in floats], 1 - self._decay)
        for number, (tensor, other) in enumerate(zip(mine, others, strict=True)):
            if not self.num_steps or number not in floats:  # counts of batches are no average
                tensor.copy_(other)
        self.num_steps += 1
