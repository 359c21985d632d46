"""Jobs on a cluster whose nodes come and go."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inpaint_ray.data.schema import read_dataset
from inpaint_ray.data.shards import read_rows, shard_uris

ROOT = Path(__file__).resolve().parents[2]
NUM_TRACKS, SECONDS = 60, 5


@pytest.mark.ray
@pytest.mark.slow
def test_prepare_outlives_all_its_workers_and_uses_one_that_joins_late(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "shards"
    for number in range(NUM_TRACKS):
        path = archive / f"genre{number % 3}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(number).normal(0, 0.1, (SECONDS * 44_100, 2))
        soundfile.write(path, samples, 44_100)
    command = [sys.executable, "-m", "tests.support.dying_nodes", str(archive), str(output)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stderr[-3000:]
    stood = re.search(r"shards: (\d+) before, (\d+) after", run.stdout)
    assert stood is not None, run.stdout[-3000:]
    before, after = map(int, stood.groups())
    dataset = read_dataset(str(output))
    splits = [split for split in dataset.patches if dataset.num_patches(split)]
    assert 3 <= before < after == sum(len(dataset.shards[split]) for split in splits)
    rows = [rows for split in splits for rows in read_rows(shard_uris(dataset, split))]
    patches = {(track, patch) for part in rows for track, patch in zip(part.track_id, part.patch, strict=True)}
    each = int(SECONDS / 0.004 / 128)
    assert len(patches) == sum(len(part.patch) for part in rows) == NUM_TRACKS * each  # each once
    assert dataset.rejected == 0
