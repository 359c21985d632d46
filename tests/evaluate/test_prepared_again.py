"""Shards that were prepared again at the same place, of as many tracks and patches, are scored again."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inpaint_ray.evaluate.run import evaluate
from tests.support.evaluating import on_shards, prepare_music, undrawn, write_checkpoint, write_music
from tests.support.here import here
from tests.support.interrupted import run_until


class Study:
    """An evaluation, into several folders, of shards that are prepared again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = write_checkpoint(folder / "best")

    def prepare(self, *, sounds: int = 0, seed: int = 0) -> str:
        """Prepare the shards anew, and return a digest of what dataset.json says of them."""
        shutil.rmtree(self.folder / "shards", ignore_errors=True)
        write_music(self.folder / "music", seed=sounds)
        return prepare_music(self.folder / "music", self.folder / "shards", seed=seed).contents

    def evaluate(self, name: str, killed_at: int | None = None) -> dict[str, Any]:
        """Evaluate to the end, and return the results; or be killed before that change, and return none."""
        output = self.folder / name
        config = on_shards(self.folder / "shards", output, self.checkpoint)
        if killed_at is not None:
            assert run_until(lambda: evaluate(config), output, killed_at) == killed_at
            return {}
        with here():
            evaluate(config)
        return dict(json.loads((output / "results.json").read_text()))


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with undrawn():
        yield Study(tmp_path)


def test_they_are_scored_again(study: Study) -> None:
    before = study.prepare()
    earlier = study.evaluate("results")
    assert study.prepare(sounds=1) == before  # dataset.json cannot tell them apart
    expected = study.evaluate("fresh")
    assert study.evaluate("results") == expected != earlier


@pytest.mark.parametrize("anew", [{"sounds": 1}, {"seed": 1}], ids=["other sounds", "another --seed"])
def test_none_of_a_killed_evaluation_is_mixed_with_them(study: Study, anew: dict[str, int]) -> None:
    study.prepare()
    study.evaluate("results", killed_at=4)  # the claim and the records of some shards
    study.prepare(**anew)
    expected = study.evaluate("fresh")
    assert study.evaluate("results") == expected


def test_shards_that_stand_are_not_scored_again(study: Study) -> None:
    study.prepare()
    expected = study.evaluate("results")
    records = sorted((study.folder / "results").rglob("records/*"))
    assert len(records) == 5 and study.evaluate("results") == expected
    assert sorted((study.folder / "results").rglob("records/*")) == records
