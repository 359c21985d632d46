"""Our own networks: they start from an interpolation, and do not care how loud music is."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.audio.metrics import normalise
from inpaint_ray.audio.wiener import wiener_frames
from inpaint_ray.filling.tiles import predict
from inpaint_ray.models.gaps import draw_last_weights
from inpaint_ray.models.registry import build_model
from inpaint_ray.models.reversal import BothDirections

OURS = ("Gap_UNet", "Wiener_UNet", "Wiener_Tower")


def _damaged(num_frames: int = 64, num_bins: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    magnitudes = torch.rand(2, num_frames, num_bins) + 0.1
    lost = torch.zeros(2, num_frames, dtype=torch.bool)
    lost[:, 10:15] = lost[1, 30:50] = True
    return magnitudes.masked_fill(lost.unsqueeze(-1), 0.0), lost


@pytest.mark.parametrize(
    ("name", "fill"),
    [("Gap_UNet", interpolate_frames), ("Wiener_UNet", wiener_frames), ("Wiener_Tower", wiener_frames)],
)
def test_untrained_they_give_the_interpolation(name: str, fill: Callable[[Tensor, Tensor], Tensor]) -> None:
    magnitudes, lost = _damaged()
    with torch.inference_mode():
        output = build_model(name)(normalise(magnitudes, 2.0).unsqueeze(1)).squeeze(1)
    expected = normalise(fill(magnitudes, lost), 2.0)
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", OURS)
def test_quieter_music_gives_the_same_answer_as_much_quieter(name: str) -> None:
    magnitudes, _ = _damaged()
    model = build_model(name).eval()
    draw_last_weights(model)
    with torch.inference_mode():
        loud, quiet = (model(normalise(magnitudes, scale).unsqueeze(1)) - 0.001 for scale in (2.0, 200.0))
    torch.testing.assert_close(quiet * 100, loud, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", OURS)
def test_every_frame_lost_gives_silence(name: str) -> None:
    with torch.inference_mode():
        output = build_model(name)(torch.full((1, 1, 32, 32), 0.001))
    torch.testing.assert_close(output, torch.full((1, 1, 32, 32), 0.001), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", OURS)
def test_gradients_reach_every_parameter_after_a_step(name: str) -> None:
    magnitudes, _ = _damaged()
    model = build_model(name)
    draw_last_weights(model)
    model(normalise(magnitudes, 2.0).unsqueeze(1)).square().sum().backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert missing == []


@pytest.mark.parametrize("name", ["Wiener_Tower", "UNet_v2"])
def test_the_mean_over_both_directions_is_the_same_backwards(name: str) -> None:
    magnitudes, _ = _damaged(128, 128)
    damaged = normalise(magnitudes, 2.0).unsqueeze(1)
    model = build_model(name).eval()
    draw_last_weights(model)
    both = BothDirections(model).eval()
    with torch.inference_mode():
        forwards, once = predict(both, damaged), predict(model, damaged)
        backwards = predict(both, damaged.flip(2)).flip(2)
    torch.testing.assert_close(forwards, backwards, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(forwards, once, rtol=1e-4, atol=1e-6)
