"""Jobs on a cluster whose nodes come and go."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.restore import check, make_damaged
from inpaint_ray.audio.encode import write_blocks
from inpaint_ray.data.schema import Dataset, read_dataset
from inpaint_ray.data.shards import read_rows, shard_uris
from inpaint_ray.evaluate.audio.report import SCORES_FILE
from inpaint_ray.train.state import read_metrics

ROOT = Path(__file__).resolve().parents[2]
NUM_TRACKS, SECONDS = 60, 5


def run_among_dying_nodes(work: Path, *jobs: str) -> None:
    command = [sys.executable, "-m", "tests.support.dying_nodes", str(work), *jobs]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    said = [line for line in run.stdout.splitlines() if line.endswith("after their death on one that came late")]
    assert [line.split(",")[0] for line in said] == [f"{job} ran on 2 nodes" for job in jobs]


@pytest.mark.ray
@pytest.mark.faults
def test_jobs_on_audio_outlive_all_their_nodes_and_use_one_that_joins_late(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for number in range(NUM_TRACKS):
        path = archive / f"genre{number % 3}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_blocks(path, [make_damaged(SECONDS, 0.02, container="WAV", seed=number % 10)])
    run_among_dying_nodes(tmp_path, "prepare", "restore", "evaluate")
    dataset = read_dataset(str(tmp_path / "prepare"))
    splits = [split for split in dataset.patches if dataset.num_patches(split)]
    rows = [rows for split in splits for rows in read_rows(shard_uris(dataset, split))]
    patches = {(track, patch) for part in rows for track, patch in zip(part.track_id, part.patch, strict=True)}
    each = int(SECONDS / 0.004 / 128)
    assert len(patches) == sum(len(part.patch) for part in rows) == NUM_TRACKS * each  # each once
    assert dataset.rejected == 0
    standing = {str(path) for split in splits for path in (tmp_path / "prepare" / split).iterdir()}
    assert standing == {uri for split in splits for uri in shard_uris(dataset, split)}  # none doubled, none half
    check(archive, tmp_path / "restore", NUM_TRACKS)
    scores = pq.read_table(tmp_path / "evaluate" / SCORES_FILE, columns=["name", "method", "error"]).to_pylist()
    cases = {(score["name"], score["method"]) for score in scores if not score["error"]}
    assert len(cases) == len(scores) == 2 * NUM_TRACKS


@pytest.mark.ray
@pytest.mark.faults
def test_trainings_outlive_all_their_nodes_and_use_one_that_joins_late(prepared: Dataset, tmp_path: Path) -> None:
    (tmp_path / "shards").symlink_to(prepared.uri)
    run_among_dying_nodes(tmp_path, "train", "tune")
    history = read_metrics((tmp_path / "runs/Gap_UNet/metrics.csv").read_text())
    assert [(row["epoch"], row["patches"]) for row in history] == [(1, 80), (2, 80)]
    with (tmp_path / "runs/tune/leaderboard.csv").open() as file:
        trials = {(row["trial"], row["epochs"], row["patches"], row["stopped"]) for row in csv.DictReader(file)}
    assert trials == {(name, "2", "160", "finished") for name in ("Gap_UNet", "UNet_Sun")}


@pytest.mark.ray
@pytest.mark.faults
def test_a_training_whose_node_will_be_taken_away_is_saved_before_and_goes_on_from_there(
    prepared: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "shards").symlink_to(prepared.uri)
    command = [sys.executable, "-m", "tests.support.drained_node", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    before, _, after = run.stdout.partition("goes on with epoch 2, step ")
    saved = re.findall(r"saved at step (\d+) of 60", before)[-1]
    assert after.startswith(f"{int(saved) + 1}\n")
    history = read_metrics((tmp_path / "runs/UNet_Sun/metrics.csv").read_text())
    assert [(row["epoch"], row["patches"]) for row in history] == [(1, 120), (2, 120)]
