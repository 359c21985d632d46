"""The settings of an evaluation."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from inpaint_ray.audio.damage import Damage
from inpaint_ray.ledger.actors import Actors

MethodName = Literal[
    "silence", "linear", "interpolation", "wiener", "janssen", "griffin_lim", "autoregressive", "model", "auto"
]
Task = Literal["samples", "columns"]
FOLDER = "_evaluate"  # below the output; the ledger's
SHARD_DAMAGE = ("frames",)
MEMORY_GIB = 1.25  # of an actor: benchmarks.evaluate
AUDIO_DAMAGE = (
    *("frames", "packets:10", "packets:20", "packets:40", "bursts:20"),
    *("gap:5", "gap:20", "gap:50", "gap:100", "gap:200", "gap:500"),
)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Score checkpoints on shards, or methods on audio, beside baselines; with intervals and paired tests."""

    data: str
    """Folder or bucket prefix that jobs/prepare.py made; or one of clean audio, into which gaps are cut."""
    output: str
    """Folder or bucket prefix of results.json, results.md and results.html."""
    checkpoint: tuple[str, ...] = ()
    """Checkpoint folders, or `pretrained`, the one that ships. On shards several are compared side by side; on audio at
    most one is taken, and without one the methods that need a network are left out."""
    tta: bool = False
    """Give each network's mean over both directions of time, at twice the cost."""
    split: Literal["auto", "train", "validation", "test"] = "auto"
    """On shards: `auto` takes test, or validation where there is no test split."""
    damage: tuple[str, ...] = ()
    """Loss of audio: `frames` as in the reference, `packets:20`, `bursts:20`, `gap:50` or `gap:5-100` (ms). On
    shards, default `frames`, and where several are given, each patch draws one. On audio every file suffers each in
    turn; the default has all kinds, and `frames` exists in the columns task alone."""
    tasks: tuple[Task, ...] = ("samples", "columns")
    """On audio: `samples` loses stretches of the waveform, `columns` loses frames of its complex spectrogram."""
    methods: tuple[MethodName, ...] = ()
    """On audio: what fills the gaps; default: all that can run."""
    seconds: float = 10.0
    """On audio: of each file, from its middle, that are damaged and scored."""
    seed: int = 0
    """On audio: of the gaps; the same seed and files, the same gaps."""
    visqol: bool = False
    """On audio: score ViSQOL too, which needs `pip install inpaint-ray[visqol]`."""
    retry_failed: bool = False
    """On audio: try files again that failed in an earlier run although neither they nor the settings have changed."""
    actors: Actors = field(default_factory=Actors)

    def __post_init__(self) -> None:
        for flag in self.damage:
            Damage.parse(flag)
        unknown = set(self.methods) - set(get_args(MethodName))
        if unknown:
            raise ValueError(f"--methods {unknown.pop()}: give some of {', '.join(get_args(MethodName))}")
        if not self.tasks:
            raise ValueError("--tasks needs at least one of samples, columns")
        if not self.seconds >= 1:
            raise ValueError(f"--seconds must be at least 1, got {self.seconds}")
        if self.seed < 0:
            raise ValueError(f"--seed must not be negative, got {self.seed}")
