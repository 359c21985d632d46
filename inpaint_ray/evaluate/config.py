"""What an evaluation is asked for."""

from dataclasses import dataclass
from typing import Literal

from inpaint_ray.audio.damage import parse_damage


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Score checkpoints on shards, per genre and in all, beside the damaged input and linear interpolation."""

    data: str
    """Folder or bucket prefix that jobs/prepare.py made."""
    checkpoint: tuple[str, ...]
    """Checkpoint folders, such as runs/UNet_v2/best; several are compared side by side."""
    output: str
    """Folder or bucket prefix of results.json, results.md and results.html."""
    split: Literal["auto", "train", "validation", "test"] = "auto"
    """`auto` takes test, or validation where there is no test split."""
    damage: tuple[str, ...] = ("frames",)
    """How frames are lost: `frames` as in the reference, `packets:20`, `bursts:20`, `gap:50` or `gap:5-100` (ms); where
    several are given, each patch draws one."""
    num_actors: int | None = None
    """Processes that hold the models; default: one for each two CPUs of the cluster, or one for each GPU."""
    use_gpu: bool = False
    """One GPU for each of them."""

    def __post_init__(self) -> None:
        if not self.checkpoint:
            raise ValueError("--checkpoint needs at least one checkpoint folder")
        parse_damage(self.damage)
        if self.num_actors is not None and self.num_actors < 1:
            raise ValueError(f"--num-actors must be at least 1, got {self.num_actors}")
