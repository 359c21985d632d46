"""How many actors do the work."""

from typing import Any

import ray
import ray.data

from inpaint_ray.evaluate.config import EvaluateConfig


def pool_of(config: EvaluateConfig, num_rows: int) -> dict[str, Any]:
    """What Ray Data is told of the actors: no more of them than rows."""
    resources: dict[str, Any] = ray.cluster_resources()
    share = resources.get("GPU", 0) if config.use_gpu else resources.get("CPU", 1) / 2
    size = min(config.num_actors or max(1, int(share)), num_rows)
    return {"compute": ray.data.ActorPoolStrategy(size=size), "num_gpus": 1 if config.use_gpu else None}
