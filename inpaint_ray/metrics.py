"""Counters of the jobs' work, exported on every node beside Ray's own metrics; cluster/grafana.json shows them.

Ray exports `inpaint_tracks` as ray_inpaint_tracks_total, with the job's name in the label inpaint_job: `job` is a
label of Prometheus' own.
"""

import functools
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray.util.metrics import Counter

COUNTERS = {
    "tracks": "Recordings that were read and cut into patches, scored or restored",
    "patches": "Patches that were written to shards, trained on or scored",
    "gaps": "Gaps that were found or cut",
    "restored_seconds": "Seconds of audio that were filled, mean over channels",
    "rejects": "Recordings that gave nothing",
}
JOB = "inpaint_job"


def count(job: str, **amounts: float) -> None:
    """Add to a job's counters; nothing where no Ray runs, as in tests of plain functions."""
    if "ray" not in sys.modules or not sys.modules["ray"].is_initialized():
        return
    for name, amount in amounts.items():
        if amount:  # Ray refuses 0
            _counter(name).inc(amount, {JOB: job})


def node_address() -> str:
    """Return the IP address of this process's machine, as Ray's dashboard shows it."""
    import ray.util

    return ray.util.get_node_ip_address()


@functools.cache
def _counter(name: str) -> "Counter":
    from ray.util.metrics import Counter

    return Counter(f"inpaint_{name}", description=COUNTERS[name], tag_keys=(JOB,))
