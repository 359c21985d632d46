"""Validation scores: what is counted, what cannot win, and which epoch is the best."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from inpaint_ray.data.batches import Batch, damage_rows
from inpaint_ray.data.shards import PatchRows
from inpaint_ray.train.config import Budget
from inpaint_ray.train.epoch import genre_gains, mean_scores, validate
from inpaint_ray.train.figures import draw_curves
from inpaint_ray.train.state import RunState, metrics_csv, read_metrics

GENRES = ["Folk", "Jazz", "Rock"]


class FailsOnLoud(nn.Module):
    """A network that halves magnitudes, and is not finite where a bin is above 0.5."""

    def __init__(self, output: float) -> None:
        super().__init__()
        self.output = output

    def forward(self, magnitudes: torch.Tensor) -> torch.Tensor:
        loud = magnitudes.amax(dim=(-2, -1), keepdim=True) > 0.5
        return torch.where(loud, self.output, 0.5 * magnitudes)


def _batch() -> Batch:
    """A quiet patch, a loud one and one of silence."""
    magnitudes = np.random.default_rng(0).random((3, 128, 128)).astype(np.float32)
    magnitudes *= np.array([0.1, 1.0, 0.0], np.float32)[:, None, None]
    return damage_rows(PatchRows(np.arange(3), GENRES, np.zeros(3, np.int16), magnitudes), scale=1.0, seed=0)


@pytest.mark.parametrize("output", [math.nan, math.inf])
def test_a_network_that_fails_on_loud_patches_has_the_worst_of_all_scores(output: float) -> None:
    sums = validate(FailsOnLoud(output), [_batch()], GENRES, torch.device("cpu"))
    assert sums[:, 0].tolist() == [1, 1, 0] and sums[:, 1].tolist() == [0, 1, 0]
    means, gains = mean_scores(sums), genre_gains(sums, GENRES)
    assert means["failed_patches"] == 1 and means["psnr"] == means["gain"] == -math.inf and means["nrmse"] == math.inf
    assert math.isfinite(means["damaged_psnr"]) and math.isfinite(means["interpolation_gain"])
    assert math.isfinite(gains["gain_Folk"]) and gains["gain_Jazz"] == -math.inf and math.isnan(gains["gain_Rock"])


def test_a_network_that_is_finite_everywhere_has_no_failed_patches() -> None:
    means = mean_scores(validate(FailsOnLoud(0.5), [_batch()], GENRES, torch.device("cpu")))
    assert means["failed_patches"] == 0 and all(map(math.isfinite, means.values()))


def _history(*scores: float) -> list[dict[str, float]]:
    return [{"epoch": 1.0 + number, "psnr": score, "seconds": 1.0} for number, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "best"),
    [((1.0, math.nan, 2.0), 3), ((math.nan, 1.0, 2.0), 3), ((3.0, -math.inf, math.nan), 1), ((math.nan, -math.inf), 1)],
)
def test_an_epoch_that_failed_is_never_the_best(scores: tuple[float, ...], best: int) -> None:
    assert RunState(_history(*scores)).best()["epoch"] == best


def test_patience_ends_after_epochs_that_failed() -> None:
    budget = Budget(patience=2)
    assert not budget.why_over(_history(math.nan, 1.0, -math.inf))
    assert budget.why_over(_history(math.nan, 1.0, -math.inf, math.nan)) == "no better validation PSNR in 2 epochs"


def test_rows_of_a_version_without_a_column_are_kept() -> None:
    before, after = {"epoch": 1.0, "psnr": 50.25}, {"epoch": 2.0, "psnr": -math.inf, "failed_patches": 3.0}
    first, second = read_metrics(metrics_csv([before, after]))
    assert math.isnan(first.pop("failed_patches")) and (first, second) == (before, after)


def test_curves_are_drawn_around_an_epoch_that_failed() -> None:
    row = {"epoch": 1.0, "train_loss": 2.0, "gain": 3.0, "network_gain": 2.0, "interpolation_gain": 2.5}
    failed = row | {"epoch": 2.0, "gain": -math.inf, "network_gain": -math.inf}
    assert draw_curves([row, failed, row | {"epoch": 3.0}], "UNet").startswith(b"\x89PNG")
    assert draw_curves([failed], "UNet").startswith(b"\x89PNG")
