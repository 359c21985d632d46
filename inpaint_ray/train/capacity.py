"""The capacity of the cluster: waiting until it suffices, and the settings to change where it never will."""

import os
import time
from collections import Counter
from collections.abc import Callable

import ray
from ray.exceptions import GetTimeoutError
from ray.util.placement_group import placement_group, remove_placement_group

from inpaint_ray.errors import UsageError
from inpaint_ray.ledger.placement import node_selector
from inpaint_ray.progress import format_duration
from inpaint_ray.terminal import say
from inpaint_ray.train.config import Workers

SAY_EVERY_S = 30.0

Resources = dict[str, float]


def can_grow() -> bool:
    """Return True if nodes may be added: to a cluster, not to a private Ray."""
    return bool(os.environ.get("RAY_ADDRESS"))


def resources_of_worker(workers: Workers) -> Resources:
    """Return the resources of a worker; the tasks that read for it run beside it and ask for nothing."""
    return {"CPU": float(workers.cpus_per_worker or 1)} | ({"GPU": 1.0} if workers.use_gpu else {})


def ways_to_fit(workers: Workers, having: Resources) -> list[str]:
    """Return the changes, in words, with which a training fits a cluster of given resources."""
    count = workers.min_workers or workers.num_workers
    lacking = {name for name, each in resources_of_worker(workers).items() if having.get(name, 0) < count * each}
    ways = {
        "lower --num-workers" if workers.min_workers is None else "lower --min-workers": lacking and count > 1,
        "lower --cpus-per-worker": "CPU" in lacking and (workers.cpus_per_worker or 1) > 1,
        "leave --use-gpu out": "GPU" in lacking,
    }
    return [way for way, helps in ways.items() if helps] or ["take a larger cluster"]


def await_capacity(
    who: str, bundles: list[Resources], *, wait_s: float, grows: bool, use_gpu: bool, remedy: Callable[[Resources], str]
) -> None:
    """Wait until the cluster has capacity for all bundles at once; asking for them lets an autoscaler add nodes.

    Args:
        who: what needs the resources, in words.
        bundles: resources of each process.
        wait_s: time for others to release resources, or for the cluster to grow.
        grows: True if the cluster can grow; one that cannot and is too small is refused at once.
        use_gpu: True if nodes reserved for GPU work may be used.
        remedy: returns advice for a cluster of given resources.

    Raises:
        UsageError: the capacity does not suffice; says what is missing, and the remedy.
    """
    wanted = sum(map(Counter, bundles), Counter())
    selector = node_selector(use_gpu=use_gpu)
    group = placement_group(bundles, bundle_label_selector=selector and [selector] * len(bundles))
    deadline = time.monotonic() + wait_s
    try:
        while True:
            having = ray.cluster_resources()
            lacking = ", ".join(
                f"{_in_words(name, amount)} (the cluster has {_in_words(name, having.get(name, 0))})"
                for name, amount in wanted.items()
                if having.get(name, 0) < amount
            )
            needs = f"{who} need {lacking}" if lacking else f"others use what {who} need"
            left = deadline - time.monotonic() if grows or not lacking else 0.0
            if left <= 0:
                waited = f", after {format_duration(wait_s)}" if grows else ""
                raise UsageError(f"{needs}{waited}; {remedy(having)}")
            if lacking:
                say(f"waiting: {needs}")
            try:
                ray.get(group.ready(), timeout=min(SAY_EVERY_S, left))
                return
            except GetTimeoutError:
                continue
    finally:
        remove_placement_group(group)


def _in_words(name: str, amount: float) -> str:
    return f"{amount / 2**30:.3g} GiB of memory" if name == "memory" else f"{amount:g} {name}s"
