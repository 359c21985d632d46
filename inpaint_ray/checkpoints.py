"""Checkpoints by URI: a local folder, a bucket's prefix, or the one that ships."""

from pathlib import Path

from inpaint_ray import storage
from inpaint_ray.inpainting.calls import PRETRAINED
from inpaint_ray.inpainting.calls import open_checkpoint as open_local
from inpaint_ray.models.checkpoint import Checkpoint, load_checkpoint


def open_checkpoint(uri: str) -> Checkpoint:
    """The checkpoint at a URI, its model in evaluation mode on the CPU.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    if uri == PRETRAINED:
        return open_local(uri)
    with storage.local_copy(uri) as folder:
        return load_checkpoint(Path(folder), name=uri)
