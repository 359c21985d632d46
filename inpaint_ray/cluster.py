"""Start of Ray, as late as possible: bad settings are refused before anything waits for a cluster."""

import os
from typing import Any

from inpaint_ray.storage import S3_ENVIRONMENT
from inpaint_ray.terminal import WORKER, say

STARTS = 3  # of a private Ray
LEAST_CPUS = 4  # of Ray's accounting on a laptop, so that workers and what feeds them fit on two cores

PASSED_ON = ("MLFLOW_TRACKING_URI",)  # of the driver's environment, to workers on other machines


def start_ray() -> None:
    """Join the cluster of RAY_ADDRESS or of the submitted job; without one, start a private Ray on this machine."""
    import ray.data  # here: flags are parsed, and files are repaired, without Ray

    if ray.is_initialized():
        return
    variables = S3_ENVIRONMENT | {"RAY_TRAIN_ENABLE_PRINT_PATCH": "0"}  # else every line of a worker comes twice
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {WORKER: "1"}
    runtime_env = {"env_vars": {name: os.environ.get(name, value) for name, value in variables.items()} | given}
    if os.environ.get("RAY_ADDRESS"):
        os.environ.setdefault("RAY_OVERRIDE_JOB_RUNTIME_ENV", "1")  # a submission may give the same variables
        ray.init(runtime_env=runtime_env)
    else:  # "local": never a cluster that happens to run on this machine
        _start_private_ray(runtime_env)
    ray.data.DataContext.get_current().enable_progress_bars = False


def _start_private_ray(runtime_env: dict[str, Any]) -> None:
    import ray

    for left in reversed(range(STARTS)):
        try:
            ray.init("local", runtime_env=runtime_env, num_cpus=max(LEAST_CPUS, os.cpu_count() or 1))
            return
        except Exception as error:  # Ray has no class of its own for it
            if not left or "timed out during startup" not in str(error):
                raise
            say("Ray did not start within 30 s, as happens on a loaded machine; starting it again")
            ray.shutdown()
