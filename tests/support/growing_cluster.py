"""A job on a cluster of Ray's autoscaler that has no worker at first: ARCHIVE OUTPUT.

The nodes are processes of this machine, which Ray's fake multi-node provider starts: up to two with a CPU, and two with
a GPU besides, which are labelled as in the files of cluster/. Prints `came TYPE` and `went TYPE` for each node and
`start` and `end` of the job, in order.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
import ray.data
from ray._private.services import get_node_ip_address
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

from inpaint_ray.ledger.placement import NODE_LABEL
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.run import prepare

IDLE_MINUTES = 0.1
ENVIRONMENT = {
    "RAY_FAKE_CLUSTER": "1",
    "RAY_enable_autoscaler_v2": "1",
    "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    "RAY_enable_worker_prestart": "0",  # several nodes on a few cores
    "RAY_prestart_worker_first_driver": "0",
}


def autoscaling(gcs_address: str) -> dict[str, Any]:
    """Return the configuration; `external` because Ray's wheel lacks the defaults of `fake_multinode`."""
    workers = {"node_config": {}, "min_workers": 0, "max_workers": 2}
    return {
        "cluster_name": "growing",
        "max_workers": 4,
        "idle_timeout_minutes": IDLE_MINUTES,
        "provider": {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "disable_node_updaters": True,  # there is nothing to install
            "launch_multiple": True,
            "head_node_id": FAKE_HEAD_NODE_ID,
            "gcs_address": gcs_address,
        },
        **dict.fromkeys(("auth", "file_mounts"), {}),
        **dict.fromkeys((f"{kind}setup_commands" for kind in ("", "head_", "worker_")), []),
        **dict.fromkeys((f"{kind}_start_ray_commands" for kind in ("head", "worker")), []),
        **dict.fromkeys(("initialization_commands", "cluster_synced_files", "rsync_exclude", "rsync_filter"), []),
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "cpu": workers | {"resources": {"CPU": 1}},
            "gpu": workers | {"resources": {"CPU": 1, "GPU": 1}, "labels": {NODE_LABEL: "gpu"}},
        },
    }


@contextlib.contextmanager
def head() -> Iterator[str]:
    """Run a head without CPUs and with the autoscaler; gives its address, and ends all that it started."""
    gcs, dashboard, client, agent = free_ports(4)
    address = f"{get_node_ip_address()}:{gcs}"
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:  # short, for the names of its sockets
        config = Path(folder, "autoscaling.json")
        config.write_text(json.dumps(autoscaling(address)))
        command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--num-cpus=0"]
        command += [f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        command += [f"--dashboard-agent-listen-port={agent}", f"--temp-dir={folder}", f"--autoscaling-config={config}"]
        process = subprocess.Popen(command, env=os.environ | ENVIRONMENT, stdout=subprocess.DEVNULL)
        try:
            yield address
        finally:
            process.terminate()
            process.wait(timeout=60)
            for pid in processes_of(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]


def processes_of(folder: str) -> list[int]:
    """Return the processes with this folder in their command line: those of the fake nodes, which outlive the head."""
    pids = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if folder.encode() in path.read_bytes():
                pids.append(int(path.parent.name))
    return pids


def connect(address: str) -> None:
    for left in reversed(range(30)):
        try:
            ray.init(address)
            return
        except ConnectionError:
            if not left:
                raise
            time.sleep(1)


def workers() -> dict[str, str]:
    """Return the type of each node but the head."""
    nodes = {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
    return {name: "gpu" if "GPU" in has else "cpu" for name, has in nodes.items() if name != FAKE_HEAD_NODE_ID}


def say(text: str) -> None:
    """Print a line of its own, though the job and Ray print from other threads, who may be within a line."""
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()


def main(archive: str, output: str) -> None:
    with head() as address:
        connect(address)
        ray.data.DataContext.get_current().enable_progress_bars = False
        config = PrepareConfig(source=archive, output=output, protocol="folders")
        job = threading.Thread(target=prepare, args=(config,), daemon=True)
        known = workers()
        say(f"start with {len(known)} workers")
        job.start()
        ended = False
        while known or not ended:
            now = workers()
            for name in sorted(now.keys() ^ known.keys()):
                say(f"came {now[name]}" if name in now else f"went {known[name]}")
            if not ended and not job.is_alive():
                say("end")
                ended = True
            known = now
            time.sleep(0.2)
        ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
