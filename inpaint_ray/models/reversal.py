"""Test-time augmentation (TTA) by time reversal: the mean of a network's outputs forwards and backwards."""

from torch import Tensor, nn

from inpaint_ray.models.output import restored_of


class BothDirections(nn.Module):
    """A network run twice, once on frames in reverse order, and the mean of both; it adds no weights."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.patch_shape = getattr(model, "patch_shape", None)  # the one size that it takes, if it takes one only

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Restore normalised magnitudes, (B, 1, T, F)."""
        forwards = restored_of(self.model(magnitudes))
        backwards = restored_of(self.model(magnitudes.flip(2))).flip(2)
        return (forwards + backwards) / 2
