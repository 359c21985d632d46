"""The device that an actor computes on."""

import torch

from inpaint_ray.errors import UsageError


def choose_device(*, use_gpu: bool) -> torch.device:
    """Choose what an actor computes on, by --use-gpu alone and not by what torch can see.

    Ray leaves the GPUs of a node visible to actors that asked for none; others may be training on them.

    Raises:
        UsageError: --use-gpu, and torch has no GPU here.
    """
    if not use_gpu:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError("--use-gpu: torch can use no GPU on this node; leave the flag out, or install torch for CUDA")
    return torch.device("cuda")
