import torch
from hypothesis import given
from hypothesis import strategies as st

from inpaint_ray.audio.patches import from_patches, to_patches


@given(st.integers(0, 700))
def test_unpatching_restores_every_frame_but_the_tail(num_frames: int) -> None:
    magnitudes = torch.arange(num_frames * 128).reshape(num_frames, 128)
    kept = num_frames // 128 * 128
    assert torch.equal(from_patches(to_patches(magnitudes)), magnitudes[:kept])


def test_thirty_seconds_give_58_patches() -> None:
    assert to_patches(torch.zeros(7500, 128)).shape == (58, 128, 128)
