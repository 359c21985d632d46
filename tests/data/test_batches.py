"""Damage on reading: the same for evaluation on every run, new in every epoch of training."""

import numpy as np
import torch

from inpaint_ray.data.batches import damage_rows
from inpaint_ray.data.shards import PatchRows


def _rows(count: int = 6) -> PatchRows:
    magnitudes = np.random.default_rng(0).random((count, 128, 128), dtype=np.float32) + 0.1
    return PatchRows(np.arange(count, dtype=np.int64), ["Rock"] * count, np.zeros(count, np.int16), magnitudes)


def test_lost_frames_are_zero_and_known_ones_as_they_were() -> None:
    batch = damage_rows(_rows(), scale=2.0, seed=0)
    lost = batch.lost[:, None, :, None].expand_as(batch.target)
    assert torch.equal(batch.damaged[~lost], batch.target[~lost])
    assert set(batch.damaged[lost].tolist()) == {0.0010000000474974513}
    assert ((batch.lost.sum(dim=1) >= 12) & (batch.lost.sum(dim=1) <= 88)).all()


def test_damage_depends_on_the_patch_and_not_on_its_neighbours() -> None:
    whole = damage_rows(_rows(6), scale=2.0, seed=0)
    half = damage_rows(_rows(3), scale=2.0, seed=0)
    assert torch.equal(whole.lost[:3], half.lost)


def test_damage_is_new_in_every_epoch_and_for_every_patch() -> None:
    lost = [damage_rows(_rows(), scale=2.0, seed=1, epoch=epoch).lost for epoch in (0, 1)]
    assert not torch.equal(lost[0], lost[1])
    assert len({tuple(row.tolist()) for row in torch.cat(lost)}) == 12


def test_targets_are_on_the_reference_scale() -> None:
    rows = _rows()
    batch = damage_rows(rows, scale=127.98, seed=0)
    expected = torch.from_numpy(rows.magnitudes) / 127.98 + 0.001
    torch.testing.assert_close(batch.target.squeeze(1), expected)
