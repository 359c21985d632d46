"""A preparation that is killed before any of its writes, and run again, makes the same data set."""

from dataclasses import replace
from pathlib import Path

import pytest

from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.run import prepare
from tests.support.interrupted import check_every_kill


def test_a_preparation_that_is_killed_at_any_write(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inpaint_ray.prepare.plan.MOST_PATCHES", 6)  # shards of several files
    source = tmp_path / "music"
    for number, track in enumerate(sorted((collection / "fma_music").rglob("*.mp3"))[:6]):
        target = source / "ab"[number % 2] / f"{number}.mp3"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(track.read_bytes() if number else b"")
    config = PrepareConfig(source=str(source), output=str(tmp_path / "shards"), protocol="folders", max_rejected=0.5)
    check_every_kill(lambda: prepare(config), tmp_path / "shards", least=1 + 5 + 3)
    assert prepare(replace(config)).rejected == 1
