"""Whole evaluations without Ray: small shards, a checkpoint to score on them, and pages without pictures."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import soundfile
import torch

from inpaint_ray.data.schema import Dataset
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.run import prepare
from tests.support.here import here

RATE = 16_000
NUM_TRACKS = 6  # the first one for training, and the loudest


def write_music(folder: Path, *, seed: int = 0) -> None:
    """Write a second of each track of two genres, and the list of them; another seed, other sounds of test tracks."""
    lines = ["uri,genre,split,track_id"]
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(NUM_TRACKS):
        noise = np.random.default_rng([number, seed if number else 0]).standard_normal(RATE)
        soundfile.write(folder / f"{number}.wav", (0.02 if number else 0.2) * noise, RATE)
        lines.append(f"{number}.wav,{'ab'[number % 2]},{'test' if number else 'train'},{number}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")


def prepare_music(folder: Path, shards: Path, *, seed: int = 0) -> Dataset:
    """Prepare what `write_music` wrote."""
    config = PrepareConfig(
        source=str(folder), output=str(shards), protocol="manifest", metadata=str(folder / "list.csv"), seed=seed
    )
    with here():
        return prepare(config)


def write_checkpoint(folder: Path, *, seed: int = 0) -> str:
    """Write a small network that has learnt nothing, and return where."""
    torch.manual_seed(seed)
    save_checkpoint(Checkpoint(model=build_model("UNet_Sun"), architecture="UNet_Sun", scale=90.0), folder)
    return str(folder)


def on_shards(shards: Path, output: Path, checkpoint: str) -> EvaluateConfig:
    """Ask for an evaluation of the test tracks."""
    return EvaluateConfig(data=str(shards), output=str(output), checkpoint=(checkpoint,), split="test")


@contextmanager
def undrawn() -> Iterator[None]:
    """Leave out the pictures of the pages, which take longer than all the rest."""
    names = [f"{page}.report.{name}" for page in ("shards", "audio") for name in ("draw_bars", "draw_lines")]
    with ExitStack() as patches:
        for name in (*names, "audio.listening.draw_spectrograms"):
            patches.enter_context(patch(f"inpaint_ray.evaluate.{name}", lambda *given, **named: b""))
        yield
