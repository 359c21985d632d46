"""The cost of jobs/train.py beside a bare loop, and its survival of lost workers and nodes.

    OMP_NUM_THREADS=1 python -m benchmarks.train --work FOLDER [--data SHARDS] [--architecture FPN]
    OMP_NUM_THREADS=1 python -m benchmarks.train --work FOLDER --kills 10

The bare loop has the same patches in memory and takes the same steps, in as many plain processes as there are workers,
each with a thread; its gradients are not averaged. Without --data, shards are made of the benchmark's own sounds.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import threading
import time
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import ray
import torch
from ray.cluster_utils import Cluster

from benchmarks.prepare import config_of, write_tracks
from inpaint_ray.cluster import start_ray
from inpaint_ray.data.batches import Batch, damage_rows
from inpaint_ray.data.schema import Dataset, read_dataset
from inpaint_ray.data.shards import read_rows, shard_uris
from inpaint_ray.models.registry import build_model
from inpaint_ray.prepare.run import prepare
from inpaint_ray.train.config import Budget, Optimisation, Saving, TrainConfig, Workers
from inpaint_ray.train.learner import Learner
from inpaint_ray.train.state import read_metrics
from inpaint_ray.train.trainer import train

CORES = os.cpu_count() or 1


def dataset_of(work: Path, data: str | None) -> Dataset:
    if data is None:
        prepare(config_of(write_tracks(work / "tracks", 64), work / "shards"))
    return read_dataset(data or str(work / "shards"))


def bare_loop(config: TrainConfig, dataset: Dataset, num_processes: int, num_steps: int) -> float:
    """Measure the patches a second of all processes together."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(num_processes + 1)
    size = config.optimisation.batch_size // config.workers.num_workers
    settings = (config, dataset, size, num_steps, barrier)
    workers = [context.Process(target=_bare_worker, args=settings) for _ in range(num_processes)]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.monotonic()
    barrier.wait()
    seconds = time.monotonic() - started
    for worker in workers:
        worker.join()
    return num_processes * size * num_steps / seconds


def _bare_worker(config: TrainConfig, dataset: Dataset, size: int, num_steps: int, barrier: Barrier) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, device = build_model(config.architecture), torch.device("cpu")
    learner = Learner(model, config.optimisation, config.precision, config.loss_name, device, total_steps=num_steps)
    rows = next(read_rows(shard_uris(dataset, "train")))
    whole = damage_rows(rows, scale=dataset.scale, seed=0)
    batches = [_rows(whole, range(start, start + size)) for start in range(0, len(whole) - size, size)]
    learner.train_mode()
    for _ in range(2):
        learner.step(batches[0])
    barrier.wait()
    for step in range(num_steps):
        learner.step(batches[step % len(batches)])
    barrier.wait()


def _rows(batch: Batch, rows: range) -> Batch:
    chosen = list(rows)
    return Batch(
        batch.target[chosen], batch.damaged[chosen], batch.lost[chosen], batch.track_id[chosen], batch.patch[chosen]
    )


def throughput(work: Path, dataset: Dataset, architecture: str, num_steps: int, repeats: int) -> None:
    settings = Optimisation(batch_size=32)
    config = TrainConfig(
        data=dataset.uri,
        output=str(work / "runs"),
        architecture=architecture,
        optimisation=settings,
        workers=Workers(num_workers=CORES),
        budget=Budget(epochs=2, patches_per_epoch=num_steps * settings.batch_size, validation_patches=64),
    )
    rows = []
    for number in range(repeats):
        alone = bare_loop(config, dataset, 1, num_steps)
        together = bare_loop(config, dataset, CORES, num_steps)
        shutil.rmtree(work / "runs", ignore_errors=True)
        train(replace(config, run_name=f"run{number}"))
        second = read_metrics((work / "runs" / f"run{number}" / "metrics.csv").read_text())[1]
        rows.append((alone, together, second["patches_per_s"], second["wait_share"]))
        print(f"bare {alone:.2f} alone, {together:.2f} together; job {rows[-1][2]:.2f} patches/s", flush=True)
    alone, together, job, wait = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"\n{architecture}, {CORES} cores, steps of {settings.batch_size} patches, median of {repeats}, patches/s")
    print(f"  bare loop, one process              {alone:7.2f}")
    print(f"  bare loop, {CORES} processes              {together:7.2f}")
    print(f"  jobs/train.py, {CORES} workers            {job:7.2f}  {wait:.1%} of the time waiting for data")
    print(f"  share of {CORES} bare processes           {statistics.median(r[2] / r[1] for r in rows):7.2f}")
    print(f"  share of {CORES} times one bare process   {statistics.median(r[2] / r[0] / CORES for r in rows):7.2f}")


def kills(work: Path, dataset: Dataset, count: int) -> None:
    """Train once with workers killed at random times and a node removed, and once undisturbed."""
    config = TrainConfig(
        data=dataset.uri,
        output=str(work / "runs"),
        architecture="Gap_UNet",
        run_name="disturbed",
        optimisation=Optimisation(batch_size=16),
        workers=Workers(num_workers=2),
        budget=Budget(epochs=6, patches_per_epoch=960, validation_patches=128),
        saving=Saving(checkpoint_minutes=0.1),
    )
    shutil.rmtree(work / "runs", ignore_errors=True)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    nodes = [cluster.add_node(num_cpus=2) for _ in range(3)]  # one to lose
    ray.init(cluster.address)
    started = time.monotonic()
    done, log = threading.Event(), []
    killer = threading.Thread(target=_kill, args=(cluster, nodes, count, done, log, work / "runs" / "disturbed"))
    killer.start()
    train(config)
    disturbed_s = time.monotonic() - started
    done.set()
    killer.join()
    started = time.monotonic()
    train(replace(config, run_name="alone"))
    print(f"\n{len(log)} kills: {', '.join(log)}")
    for name, seconds in (("alone", time.monotonic() - started), ("disturbed", disturbed_s)):
        history = read_metrics((work / "runs" / name / "metrics.csv").read_text())
        epochs = [int(row["epoch"]) for row in history]
        last = history[-1]
        print(
            f"  {name:<10} {seconds:6.0f} s  epochs {epochs}  patches {[int(row['patches']) for row in history]}  "
            f"loss {last['train_loss']:.4f}  PSNR {last['psnr']:.4f} dB"
        )
    ray.shutdown()
    with contextlib.suppress(AttributeError):  # of Ray's own, after a node was removed
        cluster.shutdown()


def _kill(cluster: Cluster, nodes: list, count: int, done: threading.Event, log: list[str], run: Path) -> None:
    """Kill a training process now and then, and once a whole node, during a run."""
    chance = random.Random(0)
    while len(log) < count and not done.wait(chance.uniform(5, 25)):
        if len(log) == count // 2:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            log.append("node")
            continue
        victims = _training_processes()
        if victims:
            os.kill(chance.choice(victims), signal.SIGKILL)
            log.append("worker")


def _training_processes() -> list[int]:
    """List Ray Train's workers among this process's descendants and their neighbours, by their titles."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::RayTrainWorker"):
                found.append(int(entry.name))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for shards and runs")
    parser.add_argument("--data", help="prepared folder")
    parser.add_argument("--architecture", default="FPN")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=0, help="kill so often in place of measuring")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    start_ray()
    dataset = dataset_of(work, arguments.data)
    if arguments.kills:
        ray.shutdown()
        kills(work, dataset, arguments.kills)
        return
    throughput(work, dataset, arguments.architecture, arguments.steps, arguments.repeats)


if __name__ == "__main__":
    main()
