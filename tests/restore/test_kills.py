"""A restoration on a cluster whose processes are killed."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.ray
@pytest.mark.faults
def test_a_killed_actor_node_and_driver_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.restore", "--work", str(tmp_path), "--kills", "--files", "60"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stderr[-3000:]
    lines = run.stdout.splitlines()
    assert any(line.startswith("killed an actor of ") and "a node of 2, the driver" in line for line in lines)
    assert "60 files, each whole and once in the manifest" in lines[-1]
