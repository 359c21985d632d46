"""`prepare` on a head without work and two workers, which both die, and one that joins late: ARCHIVE OUTPUT.

A process of its own, because a process has one Ray.
"""

import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from inpaint_ray.data.config import PrepareConfig
from inpaint_ray.data.prepare import prepare


def main(archive: Path, output: Path) -> None:
    """Prepare, losing every worker when three shards stand, and print how many stood then and at the end."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address)
    ray.data.DataContext.get_current().enable_progress_bars = False
    config = PrepareConfig(source=str(archive), output=str(output), protocol="folders")
    job = threading.Thread(target=prepare, args=(config,), daemon=True)
    job.start()
    while num_shards(output) < 3:
        assert job.is_alive()
        time.sleep(0.02)
    for worker in workers:  # nodes are added and removed in the main thread alone
        cluster.remove_node(worker, allow_graceful=False)
    before = num_shards(output)
    cluster.add_node(num_cpus=1)  # all that is left is its to do
    job.join(timeout=240)
    assert not job.is_alive(), "prepare did not end"
    print(f"shards: {before} before, {num_shards(output)} after", flush=True)
    ray.shutdown()
    cluster.shutdown()


def num_shards(output: Path) -> int:
    return len(list(output.glob("t*/*.parquet"))) + len(list(output.glob("validation/*.parquet")))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
