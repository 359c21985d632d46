import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from inpaint_ray.audio.interpolation import interpolate_frames, nearest_known


@given(st.integers(1, 40), st.integers(0, 2**31))
def test_every_bin_equals_numpy_interp(num_frames: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    magnitudes, lost = random.random((num_frames, 3)), random.random(num_frames) < 0.6
    lost[random.integers(num_frames)] = False
    filled = interpolate_frames(torch.from_numpy(magnitudes), torch.from_numpy(lost)).numpy()
    time = np.arange(num_frames)
    for column in range(3):
        expected = np.interp(time, time[~lost], magnitudes[~lost, column])
        np.testing.assert_allclose(filled[:, column], expected, atol=1e-12)


def test_known_frames_come_back_bit_for_bit_and_lost_ones_are_not_looked_at() -> None:
    magnitudes = torch.rand(2, 8, 5, generator=torch.Generator().manual_seed(0))
    lost = torch.tensor([[False, True, True, False, False, True, False, True]] * 2)
    spoiled = magnitudes.masked_fill(lost.unsqueeze(-1), torch.nan)
    filled = interpolate_frames(spoiled, lost)
    assert torch.equal(filled[~lost], magnitudes[~lost])
    assert torch.equal(filled, interpolate_frames(magnitudes, lost))


def test_a_batch_equals_its_members_one_by_one() -> None:
    generator = torch.Generator().manual_seed(1)
    magnitudes, lost = torch.rand(4, 30, 6, generator=generator), torch.rand(4, 30, generator=generator) < 0.5
    alone = torch.stack([interpolate_frames(one, gaps) for one, gaps in zip(magnitudes, lost, strict=True)])
    assert torch.equal(interpolate_frames(magnitudes, lost), alone)


def test_where_every_frame_is_lost_the_fill_is_zero() -> None:
    assert not interpolate_frames(torch.ones(4, 3), torch.ones(4, dtype=torch.bool)).any()


def test_nearest_known_frames_of_a_worked_example() -> None:
    before, after = nearest_known(torch.tensor([True, False, True, True, False, True]))
    assert before.tolist() == [-1, 1, 1, 1, 4, 4]
    assert after.tolist() == [1, 1, 4, 4, 4, 6]
