"""The checkpoint that ships: found without a path, small, and better than what needs no network."""

import json

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.instruments import INSTRUMENTS, play
from inpaint_ray import inpaint_magnitudes
from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.audio.wiener import wiener_frames
from inpaint_ray.checkpoints import absolute_checkpoint, open_checkpoint
from inpaint_ray.models.checkpoint import PRETRAINED, PRETRAINED_FOLDER
from inpaint_ray.models.registry import ARCHITECTURES


def test_it_is_small_whole_and_tells_where_it_comes_from() -> None:
    assert absolute_checkpoint(PRETRAINED) == PRETRAINED
    checkpoint = open_checkpoint(PRETRAINED)
    assert checkpoint.architecture in ARCHITECTURES and not checkpoint.model.training
    assert sum(file.stat().st_size for file in PRETRAINED_FOLDER.iterdir()) < 10e6
    config = json.loads((PRETRAINED_FOLDER / "config.json").read_text())
    assert config["training"]["scores"]["gain"] > config["training"]["scores"]["interpolation_gain"] + 3
    card = (PRETRAINED_FOLDER / "README.md").read_text()
    assert all(f"## {part}" in card for part in ("Data", "Training", "Scores", "Limits"))


def gain(restored: Tensor, damaged: Tensor, clean: Tensor) -> float:
    """Return the dB by which the error is below that of the damaged input; PSNR differs by as much."""
    return 10 * float(torch.log10((damaged - clean).square().sum() / (restored - clean).square().sum()))


@pytest.mark.parametrize("name", INSTRUMENTS)
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_it_beats_both_interpolations_on_sounds_it_never_saw(name: str, share: float) -> None:
    clean = spectrogram(torch.from_numpy(play(name, 1.0, 16_000, 0)).float(), Grid(16_000)).unsqueeze(0)
    lost = torch.from_numpy(np.random.default_rng(0).random((1, clean.shape[1])) < share)
    damaged = clean.masked_fill(lost.unsqueeze(-1), 0.0)
    lines, wiener = (gain(fill(damaged, lost), damaged, clean) for fill in (interpolate_frames, wiener_frames))
    assert gain(inpaint_magnitudes(damaged, lost, checkpoint=PRETRAINED), damaged, clean) > 1 + max(lines, wiener)


def test_the_level_of_the_music_does_not_matter() -> None:
    clean = spectrogram(torch.from_numpy(play("piano", 0.6, 16_000, 0)).float(), Grid(16_000)).unsqueeze(0)
    lost = torch.arange(clean.shape[1]).unsqueeze(0) % 5 == 2
    loud, quiet = (inpaint_magnitudes(clean * level, lost, checkpoint=PRETRAINED) / level for level in (1.0, 0.01))
    torch.testing.assert_close(loud, quiet, rtol=1e-2, atol=1e-3 * float(clean.max()))
