"""Write the RayJobs of the five jobs, from the clusters of raycluster.yaml and the table below.

    python cluster/kuberay/write_rayjobs.py [BUCKET]

rayjob-NAME.yaml brings its own cluster, which ends with it, and is retried on a new one where its driver dies;
shared/rayjob-NAME.yaml runs once, on the cluster of raycluster.yaml. Run it again after each change of either file.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
BUCKET = "s3://BUCKET"


@dataclass(frozen=True)
class Job:
    """The purpose of a job, the groups of workers that it needs, its time limit and its flags."""

    purpose: str
    groups: tuple[str, ...]
    hours: int  # of an attempt, its waiting for nodes included
    flags: str


JOBS = {
    "prepare": Job(
        purpose="FMA, or any audio, in a bucket to shards; on CPUs, as many as the autoscaler gives.",
        groups=("cpu-spot",),
        hours=24,
        flags="--source BUCKET/fma/fma_large --metadata BUCKET/fma/fma_metadata/tracks.csv --output BUCKET/shards",
    ),
    "train": Job(
        purpose="One network on eight GPUs; lost spot nodes are replaced, and down to four are enough to go on.",
        groups=("gpu-spot", "gpu8-spot"),
        hours=7 * 24,
        flags="--data BUCKET/shards --output BUCKET/runs --architecture Wiener_UNet --batch-size 64"
        " --num-workers 8 --min-workers 4 --use-gpu --wait-s 1800 --cache /cache",
    ),
    "tune": Job(
        purpose="Three networks at the same time, each on a GPU; it waits until all three GPUs are there.",
        groups=("gpu-spot",),
        hours=7 * 24,
        flags="--data BUCKET/shards --output BUCKET/runs --architectures Wiener_UNet Gap_UNet UNet_v2 --epochs 20"
        " --max-concurrent 3 --num-workers 1 --use-gpu --wait-s 1800 --cache /cache",
    ),
    "evaluate": Job(
        purpose="Two checkpoints on the test split, on four GPUs.",
        groups=("gpu-spot",),
        hours=24,
        flags="--data BUCKET/shards --checkpoint BUCKET/runs/Wiener_UNet/best BUCKET/runs/UNet_v2/best"
        " --output BUCKET/results --num-actors 4 --use-gpu",
    ),
    "restore": Job(
        purpose="An archive of damaged audio; one to forty CPUs, by the work that is left.",
        groups=("cpu-spot",),
        hours=3 * 24,
        flags="--input BUCKET/tapes --output BUCKET/tapes-restored --min-actors 1 --num-actors 40",
    ),
}


def rayjob(name: str, cluster: dict[str, Any], bucket: str = BUCKET, *, shared: bool) -> dict[str, Any]:
    """Return the manifest of a job, with a cluster of its own or for the shared one.

    Args:
        name: of the job.
        cluster: the manifest of raycluster.yaml.
        bucket: its URI, and a prefix if wanted.
        shared: whether it runs on that cluster. KubeRay retries nothing there: a retry makes a new cluster.
    """
    job = JOBS[name]
    entrypoint = f"python /app/jobs/{name}.py {job.flags.replace('BUCKET', bucket)}"
    submitter = _submitter(cluster["spec"]["headGroupSpec"]["template"])
    if shared:
        where: dict[str, Any] = {"clusterSelector": {"ray.io/cluster": cluster["metadata"]["name"]}}
    else:
        where = {
            "backoffLimit": 3,
            "activeDeadlineSeconds": job.hours * 3600,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": 600,
            "rayClusterSpec": _own_cluster(cluster["spec"], job.groups),
        }
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"generateName": f"{name}-"},
        "spec": {"entrypoint": entrypoint, "submitterPodTemplate": submitter, **where},
    }


def _own_cluster(spec: dict[str, Any], groups: tuple[str, ...]) -> dict[str, Any]:
    """Keep the groups that a job needs; without Redis, because a retry replaces what it would rescue."""
    kept = {name: value for name, value in spec.items() if name != "gcsFaultToleranceOptions"}
    return kept | {"workerGroupSpecs": [group for group in spec["workerGroupSpecs"] if group["groupName"] in groups]}


def _submitter(head: dict[str, Any]) -> dict[str, Any]:
    """Return the pod that submits the job and follows its log; KubeRay adds the command and the token."""
    container = head["spec"]["containers"][0]
    return {
        "metadata": {"labels": head["metadata"]["labels"]},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": head["spec"]["securityContext"],
            "containers": [
                {
                    "name": "submitter",
                    "image": container["image"],
                    "securityContext": container["securityContext"],
                    "resources": {
                        "requests": {"cpu": "500m", "memory": "512Mi"},
                        "limits": {"cpu": "1", "memory": "1Gi"},
                    },
                }
            ],
        },
    }


def to_yaml(name: str, manifest: dict[str, Any], path: str) -> str:
    """Return the text of a manifest's file."""
    header = f"# {JOBS[name].purpose}\n#\n#   kubectl create -f cluster/kuberay/{path}\n#\n"
    header += "# Written by write_rayjobs.py: change that, or raycluster.yaml, and run it again.\n"
    return header + yaml.dump(manifest, Dumper=_Plain, sort_keys=False, width=110)


class _Plain(yaml.SafeDumper):
    """Repeats what occurs several times, in place of references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def texts(bucket: str = BUCKET) -> dict[str, str]:
    """Return the texts of all files, by their paths beside this one."""
    cluster = yaml.safe_load((FOLDER / "raycluster.yaml").read_text())
    paths = {f"{prefix}rayjob-{name}.yaml": (name, bool(prefix)) for name in JOBS for prefix in ("", "shared/")}
    return {
        path: to_yaml(name, rayjob(name, cluster, bucket, shared=shared), path)
        for path, (name, shared) in paths.items()
    }


if __name__ == "__main__":
    (FOLDER / "shared").mkdir(exist_ok=True)
    for path, text in texts(*sys.argv[1:2]).items():
        (FOLDER / path).write_text(text)
        print(FOLDER / path)
