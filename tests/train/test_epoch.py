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
from inpaint_ray.filling.spectrogram import SCORES
from inpaint_ray.models.cascade import CascadeOutput
from inpaint_ray.models.checkpoint import Checkpoint
from inpaint_ray.models.registry import build_model
from inpaint_ray.train.config import Optimisation, Precision
from inpaint_ray.train.epoch import TrainingSums, mean_scores, train_epoch, validate
from inpaint_ray.train.figures import draw_curves, draw_examples
from inpaint_ray.train.learner import Learner, learning_rate_of
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
        track_id=batch.track_id[patches],
        patch=batch.patch[patches],
        genre=batch.genre[patches],
    )


def _learner(model: nn.Module, loss: str = "mse", **settings: object) -> Learner:
    return Learner(model, Optimisation(**settings), Precision(), loss, CPU, total_steps=100)


def _train(learner: Learner, batch: Batch) -> TrainingSums:
    sums = TrainingSums()
    train_epoch(learner, [(batch, 1.0)], sums)
    return sums


@pytest.mark.parametrize(("name", "loss"), [("Gap_UNet", "gap_db"), ("UNet_v2", "mse")])
def test_training_lowers_the_loss(batch: Batch, name: str, loss: str) -> None:
    torch.manual_seed(0)
    small = _cut(batch, slice(None), slice(64), slice(64))
    learner = _learner(build_model(name), loss)
    sums = [_train(learner, small) for _ in range(6)]
    assert sums[-1].loss_sum < sums[0].loss_sum
    assert sums[0].num_patches == 4


def test_muon_learns_hidden_layers_as_matrices_whatever_their_order_in_memory(batch: Batch) -> None:
    """The update of a matrix has the same length in all directions; to permute its columns changes nothing else."""
    weights = []
    for channels_last in (False, True):
        torch.manual_seed(0)
        precision = Precision(channels_last=channels_last)
        optimisation = Optimisation(optimizer="muon", learning_rate=0.002)
        learner = Learner(build_model("Gap_UNet"), optimisation, precision, "gap_db", CPU, total_steps=9)
        hidden = next(weight for weight in learner.model.parameters() if weight.shape == (32, 32, 3, 3))
        before = hidden.detach().clone()
        losses = [_train(learner, batch).loss_sum for _ in range(3)]
        assert losses[2] < losses[0]
        weights.append(hidden.detach().clone())
        directions = torch.linalg.svdvals((weights[-1] - before).flatten(1))
        assert directions.min() > 0.3 * directions.max()
    torch.testing.assert_close(weights[1], weights[0], rtol=0.05, atol=5e-3)


def test_muon_is_refused_where_no_layer_is_hidden() -> None:
    with pytest.raises(ValueError, match="no layer has 16 inputs and outputs"):
        _learner(nn.Conv2d(1, 1, 1), optimizer="muon")


def test_an_architecture_of_two_outputs_is_trained_on_both_and_judged_by_its_prediction(batch: Batch) -> None:
    class Stages(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(()))

        def forward(self, magnitudes: torch.Tensor) -> CascadeOutput:
            return CascadeOutput(restored=self.gain * magnitudes, first=0 * magnitudes)

    model, mse = Stages(), LOSSES["mse"]
    expected = mse(batch.damaged, batch.target, batch.lost) + mse(torch.zeros(()), batch.target, batch.lost)
    means = mean_scores(validate(model, [batch], ["Folk", "Jazz", "Rock"], CPU))
    assert means["network_psnr"] == pytest.approx(means["damaged_psnr"])
    assert len(draw_examples(model, batch, CPU)) > 10_000
    assert _train(_learner(model), batch).loss_sum / 4 == pytest.approx(expected.item())


def test_a_loss_that_is_not_finite_names_the_patches(batch: Batch) -> None:
    model = nn.Conv2d(1, 1, 1)
    nn.init.constant_(model.weight, math.nan)
    with pytest.raises(JobFailedError, match=r"loss is nan in a batch of track:patch 0:0, 1:0, 2:0, 3:0; try a lower"):
        _train(_learner(model), batch)


def test_steps_in_parts_give_the_same_gradient(batch: Batch) -> None:
    torch.manual_seed(0)
    models = [build_model("Gap_UNet") for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model, parts in zip(models, (1, 3), strict=True):
        learner = _learner(model, "gap_db", accumulate=parts)
        learner.optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        learner.schedule = torch.optim.lr_scheduler.LambdaLR(learner.optimizer, lambda _: 1.0)
        _train(learner, batch)
    whole, in_parts = (nn.utils.parameters_to_vector(model.parameters()) for model in models)
    torch.testing.assert_close(in_parts, whole, rtol=1e-5, atol=1e-7)


def test_the_learning_rate_rises_and_falls_as_asked() -> None:
    factor = learning_rate_of(Optimisation(warmup_steps=10, schedule="cosine"), total_steps=110)
    assert [factor(step) for step in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert [factor(step) for step in (60, 110, 200)] == pytest.approx([0.5, 0.0, 0.0])
    assert learning_rate_of(Optimisation(), 100)(77) == 1.0


def test_the_average_of_weights_follows_slowly(batch: Batch) -> None:
    model = nn.Conv2d(1, 1, 1)
    learner = _learner(model, ema=0.9)
    weights = []
    for _ in range(3):
        _train(learner, batch)
        weights.append(model.weight.item())
    expected = 0.9 * (0.9 * weights[0] + 0.1 * weights[1]) + 0.1 * weights[2]
    assert learner.best_guess.weight.item() == pytest.approx(expected)


@pytest.mark.parametrize(("mode", "moved"), [("batch", True), ("fixed", False)])
def test_fixed_statistics_stay_as_the_reference_had_them(batch: Batch, mode: str, moved: bool) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))
    before = model[1].weight.detach().clone()
    _train(_learner(model, batch_norm=mode), batch)
    assert bool(model[1].running_mean.any()) is moved
    assert not torch.equal(model[1].weight, before)  # scale and shift are learnt all the same


def test_long_gradients_are_shortened(batch: Batch) -> None:
    model = nn.Conv2d(1, 1, 1)
    learner = _learner(model, clip_norm=1e-3)
    _train(learner, batch)
    assert torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item() <= 1.001e-3


def _short_of_memory(where: str, most: int) -> Learner:
    """A learner whose memory is too small for more patches than a few at once."""

    class Hungry(nn.Conv2d):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            self.num_patches = len(input)
            if where == "forward" and len(input) > most:
                raise torch.OutOfMemoryError
            return super().forward(input)

    class HungryAdam(torch.optim.Adam):
        def step(self, closure: None = None) -> None:  # type: ignore[override]
            if where == "optimiser" and model.num_patches > most:
                raise torch.OutOfMemoryError
            super().step(closure)

    model = Hungry(1, 1, 1)
    learner = _learner(model)
    learner.optimizer = HungryAdam(model.parameters())
    learner.schedule = torch.optim.lr_scheduler.LambdaLR(learner.optimizer, lambda _: 1.0)
    return learner


@pytest.mark.parametrize("where", ["forward", "optimiser"])
@pytest.mark.parametrize(
    ("most", "advice"),
    [
        (2, "out of memory with 4 patches a worker; they fit with --accumulate 2$"),
        (1, "out of memory with 4 patches a worker; they fit with --accumulate 4$"),
        (0, "out of memory with 4 patches a worker, and with a single one; take a smaller architecture$"),
    ],
)
def test_memory_that_is_short_is_answered_with_the_flag_that_helps(
    batch: Batch, where: str, most: int, advice: str
) -> None:
    with pytest.raises(JobFailedError, match=advice):
        _train(_short_of_memory(where, most), batch)


def test_memory_that_is_short_for_the_copy_to_the_device_is_answered_too(batch: Batch) -> None:
    class Large(Batch):
        def to(self, device: torch.device) -> Batch:
            if len(self) > 2:
                raise torch.OutOfMemoryError
            return super().to(device)

    large = Large(**vars(batch))
    with pytest.raises(JobFailedError, match="they fit with --accumulate 2$"):
        _train(_learner(nn.Conv2d(1, 1, 1)), large)


def test_the_flag_that_helps_is_more_than_the_one_that_did_not(batch: Batch) -> None:
    learner = _short_of_memory("forward", 1)
    learner.optimisation = Optimisation(accumulate=2)
    with pytest.raises(JobFailedError, match="they fit with --accumulate 4$"):
        _train(learner, batch)


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 9])
def test_a_batch_is_split_into_as_many_parts_as_asked_for_or_single_patches(batch: Batch, parts: int) -> None:
    cut = batch.split(parts)
    sizes = [len(part) for part in cut]
    assert len(cut) == min(parts, 4) and sum(sizes) == 4 and max(sizes) - min(sizes) <= 1
    assert torch.equal(torch.cat([part.target for part in cut]), batch.target)
    assert sum((part.genre for part in cut), []) == batch.genre


def test_half_precision_and_channels_last_train_alike(batch: Batch) -> None:
    losses = []
    for precision in (Precision(), Precision(bf16=True, channels_last=True)):
        torch.manual_seed(0)
        learner = Learner(build_model("Gap_UNet"), Optimisation(), precision, "gap_db", CPU, total_steps=9)
        losses.append([_train(learner, batch).loss_sum for _ in range(2)])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_zero_for_the_truth_and_a_mean_over_patches(name: str, batch: Batch) -> None:
    loss = LOSSES[name]
    if name != "gap_db":  # whose best is -90 dB
        assert loss(batch.target, batch.target, batch.lost).item() <= (1e-4 if name == "gap_root" else 0)
    each = [loss(b.damaged, b.target, b.lost).item() for b in batch.split(4)]
    assert loss(batch.damaged, batch.target, batch.lost).item() == pytest.approx(np.mean(each), rel=1e-5)
    assert loss(batch.damaged, batch.target, batch.lost) > loss(batch.target, batch.target, batch.lost)


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


@pytest.mark.parametrize(
    "settings", [{}, {"ema": 0.9}, {"optimizer": "muon", "learning_rate": 0.02}], ids=["adam", "ema", "muon"]
)
def test_a_run_goes_on_from_a_saved_state_bit_for_bit(
    batch: Batch, tmp_path: Path, settings: dict[str, object]
) -> None:
    def run(stop_after: int | None) -> torch.Tensor:
        torch.manual_seed(0)
        learner = _learner(build_model("Gap_UNet"), "gap_db", warmup_steps=3, **settings)
        for step in range(4):
            if step == stop_after:
                state = RunState([{"epoch": 1.0, "psnr": 1.0}], TrainingSums(steps=7, num_patches=70), num_lanes=8)
                save_state(
                    tmp_path, state, learner, Checkpoint(model=learner.best_guess, architecture="Gap_UNet", scale=1.0)
                )
                drawn = torch.rand(1)
                learner = _learner(build_model("Gap_UNet"), "gap_db", warmup_steps=3, **settings)
                assert load_state(tmp_path, learner) == state
                assert torch.equal(torch.rand(1), drawn)
            _train(learner, batch)
        return nn.utils.parameters_to_vector([*learner.model.parameters(), *learner.best_guess.parameters()])

    assert torch.equal(run(stop_after=2), run(stop_after=None))


def test_metrics_are_read_as_written() -> None:
    history = [{"epoch": 1.0, "psnr": 50.25}, {"epoch": 2.0, "psnr": 51.5}]
    assert read_metrics(metrics_csv(history)) == history


def test_pictures_are_png(batch: Batch) -> None:
    row = {"epoch": 1.0, "train_loss": 2.0, "gain": 3.0, "network_gain": 2.0, "interpolation_gain": 2.5}
    pictures = (draw_curves([row, row], "UNet"), draw_examples(build_model("Gap_UNet"), batch, CPU))
    assert all(picture.startswith(b"\x89PNG") and len(picture) > 10_000 for picture in pictures)
