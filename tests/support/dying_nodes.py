"""Jobs on a head without work and two nodes, which both die, and a third that joins late: WORK JOB [JOB]...

WORK/archive, and for train and tune WORK/shards, must be there. A process of its own, because a process has one Ray.
Of each job it prints on how many nodes it ran before they died; that it ended says that it used the one that was left.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray._private.state import available_resources_per_node
from ray.cluster_utils import Cluster

from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.run import prepare
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.run import restore
from inpaint_ray.train.config import Budget, Optimisation, TrainConfig, Workers
from inpaint_ray.train.trainer import train
from inpaint_ray.tune.config import TuneConfig
from inpaint_ray.tune.search import search

CPUS = 2  # of a node
SETTINGS = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,  # a death is seen after 3 s
    "health_check_failure_threshold": 3,
    "num_workers_soft_limit": 32,  # idle processes that are kept, as on a larger node
    "enable_worker_prestart": False,  # three nodes on a few cores
    "prestart_worker_first_driver": False,
}
SMALL = Optimisation(batch_size=8)
SAVED = "state/checkpoint_manager_snapshot.json"  # by Ray Train, of a training: here at the end of its first epoch
BUDGET = Budget(epochs=2, patches_per_epoch=80, validation_patches=5)


@dataclass(frozen=True)
class Job:
    """A job, and the progress after which nodes die."""

    run: Callable[[Any], object]
    config: Any
    finished: str  # files in the output, each for a part of the work
    enough: int


def jobs(work: Path) -> dict[str, Job]:
    source, shards, runs = str(work / "archive"), str(work / "shards"), str(work / "runs")
    return {
        "prepare": Job(
            prepare, PrepareConfig(source=source, output=str(work / "prepare"), protocol="folders"), "*/*.parquet", 3
        ),
        "restore": Job(
            restore,
            RestoreConfig(input=source, output=str(work / "restore")),
            "_restore/records/*.parquet",
            8,
        ),
        "evaluate": Job(
            evaluate,
            EvaluateConfig(
                data=source,
                output=str(work / "evaluate"),
                damage=("packets:20",),
                tasks=("samples",),
                methods=("silence", "janssen"),
            ),
            "*",
            0,  # there is nothing before its end
        ),
        "train": Job(
            train,
            TrainConfig(
                data=shards,
                output=runs,
                architecture="Gap_UNet",
                optimisation=SMALL,
                budget=BUDGET,
                workers=Workers(num_workers=2, min_workers=1, cpus_per_worker=CPUS),  # then one, for lack of capacity
            ),
            f"*/{SAVED}",
            1,
        ),
        "tune": Job(
            search,
            TuneConfig(
                data=shards,
                output=runs,
                architectures=("Gap_UNet", "UNet_Sun"),
                optimisation=SMALL,
                budget=BUDGET,
                workers=Workers(cpus_per_worker=1),
                max_concurrent=2,
            ),
            f"tune/trials/*/{SAVED}",
            1,
        ),
    }


def busy_nodes() -> set[str]:
    """List the nodes that have given CPUs away."""
    free = available_resources_per_node()
    return {
        node["NodeID"]
        for node in ray.nodes()
        if node["Alive"] and free.get(node["NodeID"], {}).get("CPU", 0) < node["Resources"].get("CPU", 0)
    }


def outlive(cluster: Cluster, workers: list[Any], job: Job) -> tuple[int, Any]:
    """Run the job while its nodes die and another joins; gives on how many it ran, and the one that is left."""
    output = Path(job.config.output)
    thread = threading.Thread(target=job.run, args=(job.config,), daemon=True)
    thread.start()
    used: set[str] = set()
    while len(list(output.glob(job.finished))) < job.enough or len(used) < len(workers):
        assert thread.is_alive(), f"it ended before nodes could die; it ran on {len(used)}"
        used |= busy_nodes()
        time.sleep(0.02)
    for worker in workers:  # nodes are added and removed in the main thread alone
        cluster.remove_node(worker, allow_graceful=False)
    late = cluster.add_node(num_cpus=CPUS)
    thread.join(timeout=300)
    assert not thread.is_alive(), "it did not end"
    return len(used), late


def main(work: Path, names: list[str]) -> None:
    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = "20"  # then fewer workers are tried
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": SETTINGS})
    workers = [cluster.add_node(num_cpus=CPUS) for _ in range(2)]
    os.environ["RAY_ADDRESS"] = cluster.address
    ray.init()
    ray.data.DataContext.get_current().enable_progress_bars = False
    for name in names:
        num_nodes, late = outlive(cluster, workers, jobs(work)[name])
        print(f"{name} ran on {num_nodes} nodes, and after their death on one that came late", flush=True)
        workers = [late, cluster.add_node(num_cpus=CPUS)]
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
