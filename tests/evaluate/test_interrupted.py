"""Evaluations that are killed before any of their writes, and run again, come to the same numbers to the last digit."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from tests.support import evaluating
from tests.support.evaluating import NUM_TRACKS, on_shards, prepare_music, write_checkpoint, write_music
from tests.support.interrupted import check_every_kill, run_until

RATE = 8000


@pytest.fixture(autouse=True)
def undrawn() -> Iterator[None]:
    with evaluating.undrawn():
        yield


@pytest.fixture(params=["new", "another evaluation's"])
def is_used(request: pytest.FixtureRequest) -> bool:
    """Return True where the output is to hold an evaluation with other settings first, to be replaced."""
    return bool(request.param != "new")


def test_an_evaluation_on_audio_that_is_killed_at_any_write(tmp_path: Path, is_used: bool) -> None:
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
    if is_used:
        run_until(lambda: evaluate(replace(config, damage=("gap:50",))), tmp_path / "results")
    least = 4 + 3 + 3 + (3 if is_used else 1)  # records, sounds, results; the claim, or sounds that go
    check_every_kill(lambda: evaluate(config), tmp_path / "results", least=least)


def test_an_evaluation_on_shards_that_is_killed_at_any_write(tmp_path: Path, is_used: bool) -> None:
    write_music(tmp_path / "music")
    prepare_music(tmp_path / "music", tmp_path / "shards")
    config = on_shards(tmp_path / "shards", tmp_path / "results", write_checkpoint(tmp_path / "best"))
    if is_used:
        other = replace(config, checkpoint=(write_checkpoint(tmp_path / "other", seed=1),))
        run_until(lambda: evaluate(other), tmp_path / "results")
    least = NUM_TRACKS - 1 + 3 + (0 if is_used else 1)  # records, results; the claim
    check_every_kill(lambda: evaluate(config), tmp_path / "results", least=least)
