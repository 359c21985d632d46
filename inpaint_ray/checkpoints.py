"""Checkpoints by URI: a local folder, a bucket's prefix, or the one that ships; and the device that they run on."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import overload

import torch

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.filling.calls import restorer_of
from inpaint_ray.filling.waveform import RestoreMagnitudes
from inpaint_ray.models.checkpoint import PRETRAINED, Checkpoint, load_checkpoint
from inpaint_ray.models.reversal import BothDirections


def open_checkpoint(uri: str, *, tta: bool = False) -> Checkpoint:
    """Open the checkpoint at a URI, its model in evaluation mode on the CPU.

    Args:
        uri: of its folder, or `pretrained`.
        tta: the model gives the mean over both directions of time, at twice the cost.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    checkpoint = _load(uri)
    return replace(checkpoint, model=BothDirections(checkpoint.model).eval()) if tta else checkpoint


def _load(uri: str) -> Checkpoint:
    if uri == PRETRAINED:
        return load_checkpoint(uri)
    with storage.local_copy(uri) as folder:
        return load_checkpoint(Path(folder), name=uri)


@overload
def absolute_checkpoint(uri: str) -> str: ...
@overload
def absolute_checkpoint(uri: None) -> None: ...
def absolute_checkpoint(uri: str | None) -> str | None:
    """Return the URI in a form that means the same checkpoint on every machine of the cluster."""
    return uri if uri is None or uri == PRETRAINED else storage.absolute(uri)


def identify(checkpoint: Checkpoint | None) -> str:
    """Return a digest of a model, wherever its folder lies; "" without one."""
    if checkpoint is None:
        return ""
    digest = hashlib.sha256(json.dumps([checkpoint.architecture, checkpoint.scale]).encode())
    for name, tensor in checkpoint.model.state_dict().items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def open_restorer(uri: str, *, use_gpu: bool, tta: bool = False) -> RestoreMagnitudes:
    """Open a checkpoint as the function that fills lost frames of magnitudes, on the device that --use-gpu says.

    Raises:
        CheckpointError: there is none, or it is damaged.
        UsageError: --use-gpu, and torch has no GPU here.
    """
    device = choose_device(use_gpu=use_gpu)
    checkpoint = open_checkpoint(uri, tta=tta)
    checkpoint.model.to(device)
    restore = restorer_of(checkpoint)
    return lambda magnitudes, lost: restore(magnitudes.to(device), lost.to(device))


def choose_device(*, use_gpu: bool) -> torch.device:
    """Choose the device of an actor by --use-gpu alone, whatever torch can see.

    Ray leaves the GPUs of a node visible to actors that asked for none; others may be training on them.

    Raises:
        UsageError: --use-gpu, and torch has no GPU here.
    """
    if not use_gpu:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError("--use-gpu: torch can use no GPU on this node; leave the flag out, or install torch for CUDA")
    return torch.device("cuda")
