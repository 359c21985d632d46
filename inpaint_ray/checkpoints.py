"""Checkpoints by URI: a local folder, a bucket's prefix, or the one that ships."""

import hashlib
import json
from pathlib import Path
from typing import overload

from inpaint_ray import storage
from inpaint_ray.models.checkpoint import PRETRAINED, Checkpoint, load_checkpoint


def open_checkpoint(uri: str) -> Checkpoint:
    """The checkpoint at a URI, its model in evaluation mode on the CPU.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    if uri == PRETRAINED:
        return load_checkpoint(uri)
    with storage.local_copy(uri) as folder:
        return load_checkpoint(Path(folder), name=uri)


@overload
def absolute_checkpoint(uri: str) -> str: ...
@overload
def absolute_checkpoint(uri: None) -> None: ...
def absolute_checkpoint(uri: str | None) -> str | None:
    """The same checkpoint in every process of the cluster."""
    return uri if uri is None or uri == PRETRAINED else storage.absolute(uri)


def identify(checkpoint: Checkpoint | None) -> str:
    """A digest of a model, wherever its folder lies; "" without one."""
    if checkpoint is None:
        return ""
    digest = hashlib.sha256(json.dumps([checkpoint.architecture, checkpoint.scale]).encode())
    for name, tensor in checkpoint.model.state_dict().items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()
