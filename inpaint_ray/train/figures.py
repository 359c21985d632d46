"""Pictures of a run: learning curves, and example patches damaged, restored and as they were."""

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from inpaint_ray.audio.metrics import NORMALISATION_FLOOR, psnr
from inpaint_ray.data.batches import Batch
from inpaint_ray.models.output import restored_of
from inpaint_ray.pages.pictures import to_png
from inpaint_ray.train.state import Row

NUM_EXAMPLES = 4
DPI = 90


def draw_curves(history: list[Row], title: str) -> bytes:
    """Draw training loss and validation gain by epoch, beside the gain of interpolation; returns a PNG."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["train_loss"] for row in history], marker=".")
    left.set(xlabel="epoch", ylabel="training loss", title=title)
    right.plot(epochs, [row["gain"] for row in history], marker=".", label="model, known frames kept")
    right.plot(epochs, [row["network_gain"] for row in history], marker=".", ls=":", label="network's bare output")
    right.plot(epochs, [row["interpolation_gain"] for row in history], ls="--", label="linear interpolation")
    right.set(xlabel="epoch", ylabel="gain over the damaged input (dB PSNR)", title="validation")
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return to_png(figure, dpi=DPI)


def draw_examples(model: nn.Module, batch: Batch, device: torch.device) -> bytes:
    """Draw the damaged, restored and true magnitudes, and the error, of some patches in dB; returns a PNG."""
    count = min(NUM_EXAMPLES, len(batch.genre))
    model.eval()
    with torch.inference_mode():
        output = restored_of(model(batch.damaged[:count].to(device))).cpu()
    lost = batch.lost[:count, None, :, None]
    restored = torch.where(lost, output, batch.target[:count])
    figure = Figure(figsize=(11, 2.6 * count), layout="constrained")
    grid = figure.subplots(count, 4, squeeze=False)
    for row, axes_row in enumerate(grid):
        damaged, target = batch.damaged[row, 0], batch.target[row, 0]
        top = float(_decibels(target).max())
        panels = {
            "damaged": (_decibels(damaged), top),
            "restored": (_decibels(restored[row, 0]), top),
            "true": (_decibels(target), top),
            "error": (_decibels((restored[row, 0] - target).abs() + NORMALISATION_FLOOR), top),
        }
        score = float(psnr(restored[row], target.unsqueeze(0)))
        for axes, (name, (image, high)) in zip(axes_row, panels.items(), strict=True):
            shown = axes.imshow(
                image.T.numpy(),
                origin="lower",
                aspect="auto",
                vmin=high - 60,
                vmax=high,
                extent=(0, 512, 0, 8),
                cmap="magma",
            )
            axes.set_title(f"{name}, {batch.genre[row]}" if name != "restored" else f"restored, {score:.1f} dB PSNR")
            axes.set(xlabel="ms", ylabel="kHz" if name == "damaged" else "")
        figure.colorbar(shown, ax=axes_row[-1], label="dB")
    return to_png(figure, dpi=DPI)


def _decibels(normalised: Tensor) -> Tensor:
    """Convert normalised magnitudes to decibels below the data's largest magnitude."""
    return 20 * torch.log10((normalised - NORMALISATION_FLOOR).clamp(min=1e-6))
