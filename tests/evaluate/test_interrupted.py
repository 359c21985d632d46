"""Evaluations that are killed before any of their writes, and run again, come to the same numbers to the last digit."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from inpaint_ray.data.schema import Dataset
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model
from tests.support.interrupted import check_every_kill

RATE = 8000


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pictures, which take longer than all the rest."""
    for module in ("shards.report", "audio.report"):
        for name in ("draw_bars", "draw_lines"):
            monkeypatch.setattr(f"inpaint_ray.evaluate.{module}.{name}", lambda *given, **named: b"")
    monkeypatch.setattr("inpaint_ray.evaluate.audio.listening.draw_spectrograms", lambda *given, **named: b"")


def test_an_evaluation_on_audio_that_is_killed_at_any_write(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    for number in range(3):
        path = tmp_path / "music" / "ab"[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = 0.3 * np.sin(2 * np.pi * (200 + 70 * number) * time) + 0.01 * random.standard_normal(RATE)
        soundfile.write(path, samples, RATE)
    (tmp_path / "music/bad.wav").write_bytes(b"RIFF, it says")
    config = EvaluateConfig(
        data=str(tmp_path / "music"),
        output=str(tmp_path / "results"),
        damage=("gap:20",),
        tasks=("samples",),
        methods=("silence", "linear"),
        seconds=1.0,
    )
    check_every_kill(lambda: evaluate(config), tmp_path / "results", least=4 + 1 + 3 + 3)  # records, claim, results


def test_an_evaluation_on_shards_that_is_killed_at_any_write(prepared: Dataset, tmp_path: Path) -> None:
    torch.manual_seed(0)
    checkpoint = Checkpoint(model=build_model("UNet_Sun"), architecture="UNet_Sun", scale=90.0)
    save_checkpoint(checkpoint, tmp_path / "best")
    config = EvaluateConfig(
        data=prepared.uri, output=str(tmp_path / "results"), checkpoint=(str(tmp_path / "best"),), split="test"
    )
    check_every_kill(lambda: evaluate(config), tmp_path / "results", least=5 + 1 + 3)
