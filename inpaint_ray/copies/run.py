"""A whole merge: a restoration with copies."""

from inpaint_ray.copies.config import MergeConfig
from inpaint_ray.copies.listing import add_copies
from inpaint_ray.copies.merger import Merger
from inpaint_ray.restore.run import restore


def merge(config: MergeConfig) -> int:
    """Restore the archive from its copies; output, manifest, report, undo and exit code are those of a restoration.

    Raises:
        UsageError: the input, the copies or the output cannot be used.
        CheckpointError: the checkpoint cannot be read.
    """
    return restore(config, work=Merger, add_copies=add_copies)
