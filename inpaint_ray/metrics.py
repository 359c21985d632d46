"""What the jobs have done, counted on every node beside Ray's own metrics; cluster/grafana.json shows it.

Ray exports `inpaint_tracks` as ray_inpaint_tracks_total, with the job's name in the label inpaint_job: `job` is a
label of Prometheus' own.
"""

import functools

import ray
import ray.util
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
    if not ray.is_initialized():
        return
    for name, amount in amounts.items():
        if amount:  # Ray refuses 0
            _counter(name).inc(amount, {JOB: job})


def reject(job: str, uri: str, reason: str) -> None:
    """Count a recording that gave nothing, and say in the log which, why and where."""
    count(job, rejects=1)
    if ray.is_initialized():
        print(f"{job}  rejected {uri}: {reason}  (node {node_address()})", flush=True)


def node_address() -> str:
    """Of the machine that this process runs on, as Ray's dashboard names it."""
    return ray.util.get_node_ip_address()


@functools.cache
def _counter(name: str) -> Counter:
    return Counter(f"inpaint_{name}", description=COUNTERS[name], tag_keys=(JOB,))
