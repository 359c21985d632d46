"""A training on a node that will be taken away, as Ray is told, and then is: WORK.

WORK/shards must be there. Prints what the training prints, and ends when it has ended on another node.
"""

import os
import re
import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster
from ray.core.generated.autoscaler_pb2 import DrainNodeReason

from inpaint_ray.train.config import Budget, Optimisation, Saving, TrainConfig
from inpaint_ray.train.trainer import train
from tests.support.dying_nodes import SETTINGS

NOTICE_S = 120  # as of a spot instance
CONFIG = {
    "architecture": "UNet_Sun",
    "optimisation": Optimisation(batch_size=2),
    "budget": Budget(epochs=2, patches_per_epoch=120, validation_patches=5),  # of 60 steps
    "saving": Saving(checkpoint_minutes=600.0),  # never by the clock
}


def main(work: Path) -> None:
    os.environ["RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S"] = "0.2"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": SETTINGS})
    node = cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    ray.init()
    config = TrainConfig(data=str(work / "shards"), output=str(work / "runs"), **CONFIG)
    training = threading.Thread(target=train, args=(config,), daemon=True)
    training.start()
    snapshot = work / "runs" / config.name / "state" / "checkpoint_manager_snapshot.json"
    after_start = wait_for_another(snapshot, training, known=set())  # 20 steps after each start
    after_first_epoch = wait_for_another(snapshot, training, known=after_start)
    deadline_ms = int(1000 * (time.time() + NOTICE_S))
    gcs = ray._raylet.GcsClient(address=cluster.address)
    gcs.drain_node(node.node_id, DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION, "taken away", deadline_ms)
    wait_for_another(snapshot, training, known=after_first_epoch)
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(num_cpus=1)
    training.join(timeout=300)
    assert not training.is_alive(), "it did not end"
    ray.shutdown()
    cluster.shutdown()


def wait_for_another(snapshot: Path, training: threading.Thread, known: set[str]) -> set[str]:
    """Wait until Ray Train keeps a checkpoint that is not known; gives the names of all."""
    while True:
        text = snapshot.read_text() if snapshot.exists() else ""
        found = set(re.findall(r"checkpoint_[-\d]+_[-\d.]+", text))
        if found - known:
            return found
        assert training.is_alive(), "it ended without another checkpoint"
        time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
