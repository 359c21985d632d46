"""Throughput of the data loader into a learner that does nothing, by source and batch size.

    python -m benchmarks.loader --data SHARDS --work FOLDER

Cold, the shards are decoded as they are needed; warm, they lie in the node's cache, or in the device's memory. Every
row has the wall time, the CPU time of all threads, and the wait for the first step of the second epoch.
"""

import argparse
import shutil
import time
from pathlib import Path

import torch

from inpaint_ray.audio.damage import parse_damage
from inpaint_ray.data.cache import PatchCache
from inpaint_ray.data.schema import Dataset, read_dataset
from inpaint_ray.data.shards import shard_rows
from inpaint_ray.tables import markdown_table
from inpaint_ray.train.loader import BatchMaker, Prefetch, training_steps
from inpaint_ray.train.order import Order, count_lanes
from inpaint_ray.train.sources import DeviceSource, HostSource, Source

MIXTURE = ("frames", "packets:20", "bursts:20", "gap:5-400")


def measure(
    dataset: Dataset, source: Source, batch_size: int, damage: tuple[str, ...], device: torch.device
) -> list[str]:
    """Measure a row: patches a second, CPU microseconds a patch, milliseconds to the second epoch's first step."""
    shards = shard_rows(dataset, "train")
    total = sum(shards.values())
    order = Order(shards, 0, batch_size, count_lanes(batch_size, 1, total), total)
    maker = BatchMaker(scale=dataset.scale, seed=1, damage=parse_damage(damage), reverse=False, device=device)
    steps = training_steps(order, list(range(order.num_lanes)), 1, source, maker, [(0, 0), (1, 0)])
    started, cpu = time.perf_counter(), time.process_time()
    with Prefetch(steps, device) as ahead:
        count = sum(len(step.batch) for step in ahead)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        asked = time.perf_counter()
        next(iter(ahead))
        later = time.perf_counter() - asked
    return [f"{count / seconds:,.0f}", f"{1e6 * cpu / count:.0f}", f"{1e3 * later:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="prepared folder")
    parser.add_argument("--work", type=Path, required=True, help="folder for the cache, which is deleted at the end")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[58, 256, 1024])
    parser.add_argument("--threads", type=int, help="of torch; default: its own")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    dataset = read_dataset(arguments.data)
    shards, folder = shard_rows(dataset, "train"), arguments.work / "cache"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shutil.rmtree(folder, ignore_errors=True)
    rows = []
    for damage in (("frames",), MIXTURE):
        for size in arguments.batch_sizes:
            sources: dict[str, Source] = {"shards": HostSource(shards, None, device)}
            cache = PatchCache(str(folder), dataset, "train")
            if not rows:
                sources["folder, cold"] = HostSource(shards, cache, device)
            sources["folder, warm"] = HostSource(shards, cache, device)
            sources["device"] = DeviceSource(shards, sources["folder, warm"], device)
            for name, source in sources.items():
                kind = "frames" if len(damage) == 1 else "mixture"
                rows.append([name, kind, str(size), *measure(dataset, source, size, damage, device)])
                print("  ".join(rows[-1]), flush=True)
    shutil.rmtree(folder)
    print(f"\n{sum(shards.values()):,} patches of {dataset.dtype}, {device}, {torch.get_num_threads()} threads")
    print(markdown_table(["source", "damage", "batch", "patches/s", "CPU us/patch", "ms to epoch 2"], rows, num_left=2))


if __name__ == "__main__":
    main()
