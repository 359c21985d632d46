"""A job on a cluster that Ray's autoscaler makes for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.restore import make_damaged
from inpaint_ray.audio.encode import write_blocks
from inpaint_ray.data.schema import read_dataset
from tests.support.manifests import ROOT

NUM_TRACKS, SECONDS = 1500, 20  # a minute and a half for one CPU: a second node comes before they are done


@pytest.mark.ray
@pytest.mark.faults
def test_a_job_starts_on_an_empty_cluster_lets_it_grow_and_leaves_it_empty_without_a_gpu(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "shards"
    first = archive / "genre0" / "0.wav"
    first.parent.mkdir(parents=True)
    write_blocks(first, [make_damaged(SECONDS, 0.02, container="WAV", seed=0)])
    for number in range(1, NUM_TRACKS):
        path = archive / f"genre{number % 3}" / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        path.hardlink_to(first)
    command = [sys.executable, "-m", "tests.support.growing_cluster", str(archive), str(output)]
    hurried = os.environ | {"RAY_DATA_MIN_GAP_BETWEEN_AUTOSCALING_REQUESTS": "1"}
    run = subprocess.run(command, cwd=ROOT, env=hurried, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    said = [line for line in run.stdout.splitlines() if line.split(" ")[0] in ("start", "came", "went", "end")]
    assert said[0] == "start with 0 workers"
    assert said.count("came cpu") >= 2 and said.count("came cpu") == said.count("went cpu")  # it grew and shrank
    assert said.index("came cpu") < said.index("end") < len(said) - 1 and said[-1] == "went cpu"
    assert "came gpu" not in said  # though nodes with GPUs could come, and two CPUs were never enough
    dataset = read_dataset(str(output))
    assert sum(dataset.num_tracks(split) for split in dataset.tracks) == NUM_TRACKS and dataset.rejected == 0
