"""Muon for the hidden layers and AdamW for the rest, as one optimiser."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

FEWEST = 16  # inputs and outputs of a layer that counts as hidden
SHARE_OF_ADAMW = 0.1  # its learning rate over Muon's


class MuonAndAdamW(Optimizer):
    """Orthogonalised momentum (Jordan, 2024, "Muon") for weights of hidden layers; AdamW for all other parameters.

    torch's Muon takes matrices alone, so it is given each convolution's weights as a view of the shape (outputs, rest).
    The learning rate is Muon's, AdamW's a tenth of it; both decay weights alike.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float, fused: bool = False
    ) -> None:
        parameters = list(parameters)
        hidden = [weight for weight in parameters if weight.ndim > 1 and min(weight.shape[:2]) >= FEWEST]
        if not hidden:
            raise ValueError(f"no layer has {FEWEST} inputs and outputs, as Muon needs; use --optimizer adamw")
        others = [weight for weight in parameters if all(weight is not other for other in hidden)]
        self._weights = {nn.Parameter(_as_matrix(weight.detach(), weight)): weight for weight in hidden}
        self._muon = Muon(self._weights, lr=lr, weight_decay=weight_decay)
        self._adamw = AdamW(others, lr=SHARE_OF_ADAMW * lr, weight_decay=weight_decay, fused=fused)
        super().__init__([*self._muon.param_groups, *self._adamw.param_groups], {})
        self._share()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients."""
        for parameter in (*self._weights, *self._weights.values()):
            parameter.grad = None
        self._adamw.zero_grad(set_to_none)

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # torch's overloads
        """Do one step of both; there is no closure."""
        for matrix, weight in self._weights.items():
            matrix.grad = None if weight.grad is None else _as_matrix(weight.grad, weight)
        self._muon.step()
        self._adamw.step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of an earlier optimiser."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Let both optimisers share this one's state and settings."""
        muon, adamw = self.param_groups
        self._muon.state = self._adamw.state = self.state
        self._muon.param_groups, self._adamw.param_groups = [muon], [adamw]


def _as_matrix(values: Tensor, weight: Tensor) -> Tensor:
    """View values of a weight's shape as a matrix, (outputs, rest), in the weight's order in memory."""
    channels_last = weight.ndim == 4 and not weight.is_contiguous()
    return (values.permute(0, 2, 3, 1) if channels_last else values).flatten(1)
