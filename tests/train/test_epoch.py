"""Epochs in plain torch: learning, scoring, and the state of a run."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from inpaint_ray.data.batches import Batch, damage_rows
from inpaint_ray.data.shards import PatchRows
from inpaint_ray.errors import JobFailedError
from inpaint_ray.inpainting.spectrogram import SCORES
from inpaint_ray.models.registry import build_model
from inpaint_ray.train.epoch import mean_scores, train_epoch, validate
from inpaint_ray.train.figures import draw_curves, draw_examples
from inpaint_ray.train.losses import LOSSES
from inpaint_ray.train.state import RunState, load_state, metrics_csv, read_metrics, save_state

CPU = torch.device("cpu")


@pytest.fixture
def batch() -> Batch:
    """Four patches of decaying, beating partials, which a line between frames does not follow."""
    time, frequency = np.arange(128)[None, :, None], np.arange(128)[None, None, :]
    speed = np.array([0.2, 0.3, 0.45, 0.6])[:, None, None]
    magnitudes = (1 + np.sin(speed * time + frequency / 9)) * np.exp(-frequency / 30) * 10
    genres = ["Rock", "Rock", "Jazz", "Folk"]
    rows = PatchRows(np.arange(4), genres, np.zeros(4, np.int16), magnitudes.astype(np.float32))
    return damage_rows(rows, scale=100.0, seed=0)


def _cut(batch: Batch, patches: slice, frames: slice = slice(None), bins: slice = slice(None)) -> Batch:
    return Batch(
        target=batch.target[patches, :, frames, bins],
        damaged=batch.damaged[patches, :, frames, bins],
        lost=batch.lost[patches, frames],
        genre=batch.genre[patches],
        track_id=batch.track_id[patches],
    )


@pytest.mark.parametrize(("name", "loss"), [("Gap_UNet", "gap_db"), ("UNet_v2", "mse")])
def test_training_lowers_the_loss(batch: Batch, name: str, loss: str) -> None:
    torch.manual_seed(0)
    model = build_model(name)
    small = _cut(batch, slice(None), slice(64), slice(64))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    sums = [train_epoch(model, [small], LOSSES[loss], optimizer, CPU) for _ in range(6)]
    assert sums[-1].loss_sum < sums[0].loss_sum
    assert sums[0].num_patches == 4


def test_a_loss_that_is_not_finite_names_the_tracks(batch: Batch) -> None:
    model = nn.Conv2d(1, 1, 1)
    nn.init.constant_(model.weight, math.nan)
    with pytest.raises(JobFailedError, match=r"loss is nan in a batch of tracks \[0, 1, 2, 3\]; try a lower"):
        train_epoch(model, [batch], LOSSES["mse"], torch.optim.Adam(model.parameters()), CPU)


def test_validation_sums_add_up_over_parts(batch: Batch) -> None:
    model = build_model("Gap_UNet")
    genres = ["Folk", "Jazz", "Rock"]
    parts = [_cut(batch, slice(0, 2)), _cut(batch, slice(2, 4))]
    whole = validate(model, [batch], genres, CPU)
    in_parts = sum(validate(model, [part], genres, CPU) for part in parts)
    torch.testing.assert_close(in_parts, whole, rtol=1e-9, atol=1e-9)
    assert whole[:, 0].tolist() == [1, 1, 2]


def test_an_untrained_network_of_ours_scores_as_interpolation(batch: Batch) -> None:
    means = mean_scores(validate(build_model("Gap_UNet"), [batch], ["Folk", "Jazz", "Rock"], CPU))
    assert means["gain"] == pytest.approx(means["interpolation_gain"], abs=0.01)
    assert means["interpolation_gain"] > 3
    assert set(SCORES) < set(means)


def test_a_loss_in_db_weighs_quiet_and_loud_patches_alike() -> None:
    target, lost = torch.rand(2, 1, 8, 8), torch.ones(2, 8, dtype=torch.bool)
    target[1] *= 0.01
    half = LOSSES["gap_db"](0.5 * target, target, lost)
    quarter = LOSSES["gap_db"](0.75 * target, target, lost)
    assert (half - quarter).item() == pytest.approx(6.02, abs=0.02)


def test_the_optimiser_goes_on_from_a_saved_state(batch: Batch, tmp_path: Path) -> None:
    def run(stop_after: int | None) -> torch.Tensor:
        torch.manual_seed(0)
        model = build_model("Gap_UNet")
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for step in range(4):
            if step == stop_after:
                save_state(tmp_path, RunState([{"epoch": 2.0, "psnr": 1.0}]), optimizer)
                optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
                assert load_state(tmp_path, optimizer).epoch == 1
            train_epoch(model, [batch], LOSSES["gap_db"], optimizer, CPU)
        return nn.utils.parameters_to_vector(model.parameters())

    assert torch.equal(run(stop_after=2), run(stop_after=None))


def test_metrics_are_read_as_written() -> None:
    history = [{"epoch": 1.0, "psnr": 50.25}, {"epoch": 2.0, "psnr": 51.5}]
    assert read_metrics(metrics_csv(history)) == history


def test_pictures_are_png(batch: Batch) -> None:
    row = {"epoch": 1.0, "train_loss": 2.0, "gain": 3.0, "network_gain": 2.0, "interpolation_gain": 2.5}
    pictures = (draw_curves([row, row], "UNet"), draw_examples(build_model("Gap_UNet"), batch, CPU))
    assert all(picture.startswith(b"\x89PNG") and len(picture) > 10_000 for picture in pictures)
