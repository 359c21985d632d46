"""The mean of what a network makes of music forwards and backwards: test-time augmentation (TTA) by time reversal."""

from torch import Tensor, nn

from inpaint_ray.models.output import restored_of


class BothDirections(nn.Module):
    """A network that runs twice, once on frames in reverse order, and gives the mean of both; without more weights."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.patch_shape = getattr(model, "patch_shape", None)  # the one size that it takes, if it takes one only

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Normalised magnitudes, (B, 1, T, F), to restored ones of the same shape."""
        forwards = restored_of(self.model(magnitudes))
        backwards = restored_of(self.model(magnitudes.flip(2))).flip(2)
        return (forwards + backwards) / 2
