"""The actors of a job."""

import os
from dataclasses import dataclass
from typing import Any

from inpaint_ray.cluster import start_ray
from inpaint_ray.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Actors:
    """The number of a job's actors and the resources of each."""

    num_actors: int | None = None
    """Most actors at once; default: one for each CPU of the cluster, or GPU, nodes added later included."""
    min_actors: int = 1
    """Fewest actors; between the two, their number follows the work that is left."""
    use_gpu: bool = False
    """Compute networks on GPUs; actors without this flag use none."""
    gpu_share: float = 1.0
    """With --use-gpu, the share of a GPU that each actor takes: at 0.25 four share one."""

    def __post_init__(self) -> None:
        if self.min_actors < 1:
            raise ValueError(f"--min-actors must be at least 1, got {self.min_actors}")
        if self.num_actors is not None and self.num_actors < self.min_actors:
            raise ValueError(f"--num-actors must be at least --min-actors {self.min_actors}, got {self.num_actors}")
        if not 0 < self.gpu_share <= 1:
            raise ValueError(f"--gpu-share is above 0 and at most 1, one whole GPU, got {self.gpu_share:g}")

    def pool(self, num_rows: int, *, memory_gib: float) -> dict[str, Any]:
        """Return Ray Data's options for a pool: no more actors than rows, and no more on a node than its memory holds.

        Raises:
            UsageError: --use-gpu on a private Ray without a GPU, which would wait for one for ever.
        """
        import ray.data  # here: flags are parsed without Ray

        if self.use_gpu:
            start_ray()
        if self.use_gpu and not ray.cluster_resources().get("GPU") and not os.environ.get("RAY_ADDRESS"):
            raise UsageError("--use-gpu: Ray finds no GPU on this machine; leave the flag out")
        most = min(self.num_actors or num_rows, num_rows)
        return {
            "compute": ray.data.ActorPoolStrategy(min_size=min(self.min_actors, most), max_size=most),
            "num_cpus": 1,
            "num_gpus": self.gpu_share
            if self.use_gpu
            else None,  # 0 and None alike: Ray hides no GPU (`choose_device`)
            "memory": memory_gib * 2**30,
        }
