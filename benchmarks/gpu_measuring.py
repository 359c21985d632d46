"""The extent of `benchmarks.gpu run`, its measurements of throughput, and its trainings."""

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEASURE_S = 5.0  # of each row of throughput
SAVE_EVERY_S = 60.0
DAMAGE = ("frames", "frames", "frames", "frames", "packets:20", "gap:5-400")


@dataclass(frozen=True)
class Plan:
    """The extent of a run."""

    minutes: float
    smoke: bool
    num_tracks: int | None
    architectures: tuple[str, str]  # of throughput: ours, the paper's
    batch_sizes: tuple[int, ...]
    measure_s: float
    ours: str
    ours_batch: int
    papers: str

    @classmethod
    def of(cls, minutes: float, smoke: bool) -> "Plan":
        if smoke:
            return cls(1.0, True, 6, ("Wiener_UNet", "FastARCNN"), (4, 8), 1.0, "Wiener_Tower", 4, "FastARCNN")
        names = ("Wiener_UNet", "UNet_v2")
        return cls(minutes, False, None, names, (64, 256, 1024), MEASURE_S, "Wiener_Tower_large", 128, "UNet_v2")


def throughput(
    dataset: Any, name: str, batch_size: int, seconds: float, device: Any, *, compiled: bool
) -> list[dict[str, Any]]:
    """Measure patches a second of the steps alone, and of the loop of jobs/train.py from either cache; returns rows."""
    import torch

    from benchmarks.clocked import endless_steps, train_for
    from inpaint_ray.data.cache import PatchCache
    from inpaint_ray.data.shards import shard_rows
    from inpaint_ray.train.loader import Prefetch
    from inpaint_ray.train.sources import DeviceSource, HostSource, Source

    shards = shard_rows(dataset, "train")
    host = HostSource(shards, PatchCache(str(Path(dataset.uri) / "cache"), dataset, "train"), device)
    sources: dict[str, Source] = {"folder": host, "device": DeviceSource(shards, host, device)}
    learner = _learner(name, "ours", device, None, compiled=compiled)

    def steps_from(kind: str) -> Iterator[Any]:
        return endless_steps(dataset, sources[kind], batch_size, DAMAGE, device, reverse=True)

    with Prefetch(steps_from("device"), device) as ahead:
        ready = [step for step, _ in zip(ahead, range(4), strict=False)]
    for _ in range(3):
        learner.step(ready[0].batch)

    def measure(steps: Iterator[Any]) -> tuple[float, float]:
        began = time.monotonic()
        sums = train_for(learner, steps, seconds, lambda _: None)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return sums.num_patches / (time.monotonic() - began), sums.wait_s / max(sums.seconds, 1e-9)

    bare, _ = measure(itertools.cycle(ready))
    rows = []
    for kind in sources:
        rate, waiting = measure(steps_from(kind))
        found = {"bare": bare, "job": rate, "share": rate / bare, "waiting": waiting}
        rows.append({"architecture": name, "batch": batch_size, "cache": kind} | found)
    return rows


def _learner(name: str, role: str, device: Any, seconds: float | None, *, compiled: bool) -> Any:
    """Make a learner by our recipe, whose learning rate follows the clock, or by the paper's: Adam at 0.001 and MSE."""
    import torch

    from benchmarks.clocked import learner_of
    from inpaint_ray.models.registry import build_model, find_architecture
    from inpaint_ray.train.config import Optimisation, Precision
    from inpaint_ray.train.learner import Learner
    from inpaint_ray.train.muon import FEWEST

    torch.manual_seed(0)
    torch._dynamo.reset()  # else a size after another is compiled for any size
    model, loss = build_model(name), find_architecture(name).loss
    precision = Precision(bf16=True, channels_last=True, compile=compiled and device.type == "cuda")
    if role != "ours":
        return Learner(model, Optimisation(), precision, loss, device, total_steps=1)
    muon = any(weight.ndim > 1 and min(weight.shape[:2]) >= FEWEST for weight in model.parameters())
    optimisation = Optimisation(optimizer="muon" if muon else "adamw", learning_rate=0.015, clip_norm=1.0)
    return learner_of(model, optimisation, loss, device, seconds, precision)


def train(
    dataset: Any, name: str, role: str, plan: Plan, seconds: float, output: Path, device: Any, *, compiled: bool
) -> dict[str, Any]:
    """Train for some seconds, saving every minute; returns the last validation gain in dB."""
    from benchmarks.clocked import endless_steps, train_for, validation_scores
    from inpaint_ray.data.shards import shard_rows
    from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
    from inpaint_ray.train.sources import DeviceSource, HostSource

    shards = shard_rows(dataset, "train")
    source = DeviceSource(shards, HostSource(shards, None, device), device)
    learner = _learner(name, role, device, seconds, compiled=compiled)
    batch_size = plan.ours_batch if role == "ours" or plan.smoke else 58
    curve: list[dict[str, float]] = []
    began = saved = time.monotonic()

    def keep(sums: Any) -> dict[str, float]:
        scores = validation_scores(learner.best_guess, dataset, device)
        learner.train_mode()
        row = {"seconds": time.monotonic() - began, "patches": float(sums.num_patches), "gain": scores["gain"]}
        curve.append(row)
        print(json.dumps({name: row}), flush=True)
        training = row | {"scores": scores, "role": role}
        model = learner.best_guess
        save_checkpoint(Checkpoint(model=model, architecture=name, scale=dataset.scale, training=training), output)
        return scores

    def after_read(sums: Any) -> None:
        nonlocal saved
        if time.monotonic() - saved > (3.0 if plan.smoke else SAVE_EVERY_S):
            keep(sums)
            saved = time.monotonic()

    steps = endless_steps(dataset, source, batch_size, DAMAGE, device, reverse=role == "ours")
    sums = train_for(learner, steps, seconds, after_read)
    scores = keep(sums)
    return {
        "role": role, "seconds": round(time.monotonic() - began, 1), "patches": sums.num_patches,
        "parameters": sum(weight.numel() for weight in learner.model.parameters()),
        "gain": scores["gain"], "interpolation": scores["interpolation_gain"], "curve": curve,
    }  # fmt: skip
