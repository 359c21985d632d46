"""Time and memory of jobs/evaluate.py on shards, by their number of patches.

    OMP_NUM_THREADS=1 python -m benchmarks.evaluate --data SHARDS --work FOLDER --patches 25000 50000 100000

The training shards of --data are linked into data sets of so many patches, over and over under new names; each is
scored by a process of its own with a Ray of its own. Without --checkpoint the network is an untrained Gap_UNet.
"""

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import torch

from inpaint_ray import storage
from inpaint_ray.cluster import start_ray
from inpaint_ray.data.schema import DATASET, Dataset, read_dataset
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model

NETWORK = "Gap_UNet"


def link_shards(dataset: Dataset, folder: Path, num_patches: int) -> int:
    """Make a data set with at least a number of validation patches; returns their number."""
    shutil.rmtree(folder, ignore_errors=True)
    shards: dict[str, int] = {}
    for number, (name, count) in enumerate(cycle(dataset.shards["train"].items())):
        if sum(shards.values()) >= num_patches:
            break
        shards[f"validation/{number:06d}.parquet"] = count
        path = folder / f"validation/{number:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(Path(dataset.uri, name))
    total = sum(shards.values())
    made = replace(dataset, shards={"validation": shards}, patches={"validation": {"music": total}})
    (folder / DATASET).write_bytes(made.to_json())
    return total


def peaks(pid: int) -> dict[str, float]:
    """Return the peak MiB of this process and of the actors among its descendants."""
    parents, names, most = {}, {}, {}
    for entry in Path("/proc").iterdir():
        try:
            status = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines())
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except (OSError, ValueError):
            continue  # no process, or no longer one
        number = int(status["Pid"])
        parents[number], names[number] = int(status["PPid"]), command
        most[number] = float(status.get("VmHWM", "0").split()[0]) / 1024
    family = {pid}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    actors = [most[child] for child in family if names[child].startswith("ray::") and "ShardScorer" in names[child]]
    return {"driver": most[pid], "actor": max(actors, default=0.0)}


def print_run(config: EvaluateConfig) -> None:
    """Print the last line: seconds, MiB of the driver, MiB of the largest actor."""
    start_ray()
    largest, over = {"driver": 0.0, "actor": 0.0}, threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            largest.update({name: max(value, largest[name]) for name, value in peaks(os.getpid()).items()})

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.monotonic()
    evaluate(config)
    seconds = time.monotonic() - started
    over.set()
    watcher.join()
    print(f"{seconds:.1f} {largest['driver']:.0f} {largest['actor']:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="prepared folder on this machine")
    parser.add_argument("--work", type=Path, required=True, help="folder for links and results")
    parser.add_argument("--patches", type=int, nargs="+", default=[5_000, 10_000, 20_000])
    parser.add_argument("--checkpoint", help=f"checkpoint folder; default: an untrained {NETWORK}")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = Path(storage.absolute(str(arguments.work)))
    checkpoint = arguments.checkpoint or str(work / NETWORK)
    if arguments.run:
        print_run(EvaluateConfig(data=arguments.run, checkpoint=(checkpoint,), output=str(work / "results")))
        return
    dataset = read_dataset(arguments.data)
    if not arguments.checkpoint:
        torch.manual_seed(0)
        network = Checkpoint(model=build_model(NETWORK), architecture=NETWORK, scale=dataset.scale)
        save_checkpoint(network, Path(checkpoint))
    print(f"{os.cpu_count()} cores, {os.getloadavg()[0]:.1f} load before the start")
    print("patches  seconds  patches/s  MiB: driver  actor")
    for num_patches in arguments.patches:
        total = link_shards(dataset, work / "shards", num_patches)
        command = [sys.executable, "-m", "benchmarks.evaluate", "--data", arguments.data, "--work", str(work)]
        command += ["--checkpoint", checkpoint, "--run", str(work / "shards")]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds, driver, actor = map(float, output.splitlines()[-1].split())
        print(f"{total:>7}  {seconds:7.1f}  {total / seconds:9.1f}  {driver:11.0f}  {actor:5.0f}", flush=True)


if __name__ == "__main__":
    main()
