"""Digests of results that no refactoring may change: repairs, a restoration, a shard, steps of training.

    python -m benchmarks.identity

Prints one line for each result. Run it before and after a change that must not change behaviour, on the same machine
(another processor may round differently), and compare the lines. It takes 11 s of CPU and needs no Ray.
"""

import contextlib
import hashlib
import io
import os
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

import inpaint_ray
from inpaint_ray.data.batches import damage_rows
from inpaint_ray.data.shards import read_rows
from inpaint_ray.data.tracks import list_folders
from inpaint_ray.local.config import RepairConfig
from inpaint_ray.local.run import repair
from inpaint_ray.models.registry import build_model
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.plan import make_shard, plan_shards
from inpaint_ray.synthesis.genres import synthesise
from inpaint_ray.train.config import Optimisation, Precision
from inpaint_ray.train.learner import Learner

RATE, SECONDS = 16_000, 4.0


def digest(data: bytes) -> str:
    """Return the first half of the SHA-256 of data."""
    return hashlib.sha256(data).hexdigest()[:32]


def damaged(seed: int) -> NDArray[np.float64]:
    """Synthesise a stereo recording with dropouts, a gap in one channel, a long gap and clipping: (2, n)."""
    random = np.random.default_rng(seed)
    samples = synthesise("Folk", duration_s=SECONDS, sample_rate=RATE, num_channels=2, random=random).astype(np.float64)
    samples[:, 8_000:8_200] = 0
    samples[0, 20_000:21_000] = 0
    samples[:, 40_000:44_000] = samples[:, 39_999:40_000]
    samples[:, 50_000:] = samples[:, 50_000:].clip(-0.2, 0.2)
    return samples


def digest_calls() -> dict[str, str]:
    """Repair an array by the Python calls."""
    samples = damaged(0)
    events = inpaint_ray.find(samples, RATE, ("dropouts", "clipping"))
    repaired = inpaint_ray.repair(samples, RATE, ("dropouts", "clipping"), checkpoint="pretrained")
    return {"events": digest(repr(events).encode()), "repaired": digest(repaired.tobytes())}


def digest_restoration(folder: Path) -> dict[str, str]:
    """Repair two files as a restoration does, and digest the outputs and what was removed."""
    for name, seed in (("a.wav", 1), ("b.flac", 2)):
        soundfile.write(folder / name, damaged(seed).T, RATE, subtype="PCM_16")
    with contextlib.redirect_stdout(io.StringIO()):
        files = ("a.wav", "b.flac")
        if repair(RepairConfig(files=files, output="repaired", effort="best", difference=True)) != 0:
            raise RuntimeError("a file could not be repaired")
    return {str(path): digest(path.read_bytes()) for path in sorted(Path("repaired").iterdir())}


def digest_shards(folder: Path) -> dict[str, str]:
    """Make the shards of five tracks, and digest each file and what its footer says."""
    for number in range(5):
        path = folder / "tracks" / "Folk" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, damaged(number).T, RATE, subtype="PCM_16")
    config = PrepareConfig(source="tracks", output="shards", protocol="folders")
    digests = {}
    found = list_folders("tracks").tracks
    # By paths from here: the temporary folder has another name each time, and URIs are part of a plan's fingerprint.
    tracks = [replace(track, uri=os.path.relpath(track.uri)) for track in found]
    for plan in plan_shards(tracks, seed=0):
        metadata = make_shard(plan, config, "shards")
        digests[plan.name] = digest(Path("shards", plan.name).read_bytes())
        digests[f"{plan.name} footer"] = digest(repr(sorted(asdict(metadata).items())).encode())
    return digests


def digest_training(folder: Path) -> dict[str, str]:
    """Train a network for two steps on patches of the shards, and digest its weights."""
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    learner = Learner(
        build_model("Gap_UNet"), Optimisation(), Precision(), "gap_db", torch.device("cpu"), total_steps=2
    )
    uri = str(sorted((folder / "shards" / "train").glob("*.parquet"))[0])
    learner.train_mode()
    losses = []
    for epoch, rows in zip(range(2), read_rows([uri] * 2), strict=True):
        batch = damage_rows(rows, scale=100.0, seed=0, epoch=epoch)
        losses.append(learner.step(batch).item())
    weights = torch.nn.utils.parameters_to_vector(learner.model.parameters()).detach()
    return {"weights": digest(weights.numpy().tobytes()), "losses": digest(repr(losses).encode())}


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        os.environ["OMP_NUM_THREADS"] = "1"
        folder = Path()
        digests = digest_calls() | digest_restoration(folder) | digest_shards(folder) | digest_training(folder)
    for result, value in digests.items():
        print(f"{value}  {result}")


if __name__ == "__main__":
    main()
