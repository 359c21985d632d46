"""The settings of a training run."""

import os
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from inpaint_ray.audio.damage import parse_damage
from inpaint_ray.errors import UsageError
from inpaint_ray.models.losses import LossName
from inpaint_ray.train.history import best_row

DEVICE = "device"  # a cache in the memory of each worker's device
NEWER = ("epochs", "validation_patches", "data_fingerprint", "data_contents")  # settings that older records lack


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Length of a training run, and size of its validation."""

    epochs: int = 100
    """Passes over the training patches."""
    patches_per_epoch: int | None = None
    """Patches that make an epoch, for validation more or less often than once a pass; default: all of them."""
    validation_patches: int | None = None
    """Validate on so many patches, spread over the split; default: all of them."""
    patience: int | None = None
    """Stop after so many epochs without a better validation PSNR; default: never."""
    minutes: float | None = None
    """Stop after the epoch in which training, without validation, has lasted so many minutes; default: never."""

    def why_over(self, history: list[dict[str, float]]) -> str:
        """Return why a run with these rows of metrics, one for each finished epoch, is over; "" if it is not."""
        if history and len(history) >= self.epochs:
            return "finished"
        if history and self.minutes is not None and sum(row["seconds"] for row in history) >= 60 * self.minutes:
            return f"{self.minutes:g} minutes of training"
        if history and self.patience is not None:
            if len(history) - best_row(history)["epoch"] >= self.patience:
                return f"no better validation PSNR in {self.patience} epochs"
        return ""


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """Loss, optimiser and learning rate; the defaults are the reference's."""

    batch_size: int = 58
    """Patches a step, over all workers."""
    accumulate: int = 1
    """Compute each step in so many parts, where a whole batch does not fit into memory."""
    loss: LossName | None = None
    """`mse` as the reference, `l1`, `log` (log magnitudes), `multi_resolution`, `gap_mse` and `gap_l1` (in lost frames
    alone), `gap_db` (their error in dB, what PSNR measures), `gap_root` (the root of their error over their energy);
    default: the architecture's own."""
    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    """AdamW decays weights by 0.01; so does Muon, which is for hidden layers, with AdamW at a tenth of its learning
    rate for the rest."""
    learning_rate: float = 1e-3
    """After the warm-up; 0.015 to 0.04 for Muon."""
    warmup_steps: int = 0
    """Steps in which the learning rate rises from 0."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Of the learning rate after the warm-up: `cosine` falls to 0 at the last of all epochs, whose number a run then
    keeps."""
    clip_norm: float | None = None
    """Largest norm of the gradient; longer ones are shortened."""
    ema: float | None = None
    """Average the weights over steps with this decay, such as 0.999, and use the average."""
    batch_norm: Literal["batch", "fixed", "sync"] = "batch"
    """Statistics of batch normalisation: of each worker's part of the batch; `fixed` at 0 and 1, as the reference's
    training loops had them; `sync` of the whole batch (GPUs only)."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Number formats, memory layout and compilation of networks."""

    bf16: bool = False
    """Compute in bfloat16 where that is safe (autocast)."""
    bf16_validation: bool = False
    """Validate in bfloat16, too."""
    tf32: bool = True
    """Let GPUs round factors to 10 bits where bfloat16 is not used; several times as fast as all of float32."""
    channels_last: bool = False
    """Keep channels last in memory, which GPUs prefer."""
    compile: bool = False
    """Compile the network (torch.compile): minutes at the start, faster steps."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Processes and their resources."""

    num_workers: int = 1
    """Data-parallel processes."""
    min_workers: int | None = None
    """Go on with as few as this where others are lost, or come later; default: wait for all."""
    use_gpu: bool = False
    """One GPU for each worker."""
    wait_s: float = 600.0
    """Wait so long for the resources of all workers, as a cluster grows."""
    cpus_per_worker: int | None = None
    """CPUs and threads of each; default: one CPU, and as threads its share of the cores of its node."""
    cache: tuple[str, ...] = ()
    """A folder of each node, on a disk or in memory of its own (not /dev/shm, which is Ray's), that keeps decoded
    patches, as long as a tenth of it stays free; all trainings on a node share it. Or `device`, which keeps all
    training patches in the memory of each worker's device; or both. Default: shards are decoded anew in every epoch."""

    @property
    def cache_folder(self) -> str | None:
        return next((place for place in self.cache if place != DEVICE), None)


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Checkpoints kept for resuming."""

    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints within an epoch; others are saved 20 steps after each start and after each epoch."""
    keep_checkpoints: int = 1
    """Number of the latest checkpoints for resuming that are kept; best and last are beside them."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Train one architecture on shards; the defaults are the reference's recipe."""

    data: str
    """Folder or bucket prefix that jobs/prepare.py made."""
    output: str
    """Folder or bucket prefix of runs; this one goes to OUTPUT/RUN_NAME."""
    architecture: str
    """A name of the registry, such as UNet_v2 or Gap_UNet."""
    run_name: str | None = None
    """Default: the architecture's name. The same name again resumes the run."""
    budget: Budget = field(default_factory=Budget)
    optimisation: Optimisation = field(default_factory=Optimisation)
    precision: Precision = field(default_factory=Precision)
    workers: Workers = field(default_factory=Workers)
    saving: Saving = field(default_factory=Saving)
    damage: tuple[str, ...] = ("frames",)
    """Loss of frames: `frames` as in the reference, `packets:20`, `bursts:20`, `gap:50` or `gap:5-100` (ms); where
    several are given, each patch draws one."""
    validation_damage: tuple[str, ...] = ()
    """Loss of frames in validation patches; default: as in training."""
    reverse: bool = False
    """Train on each patch backwards in every second epoch."""
    seed: int = 0
    """Seed of weights, damage and order."""
    init_from: str | None = None
    """Checkpoint folder to take the first weights from, or `pretrained`, the one that ships."""

    def __post_init__(self) -> None:
        of, workers = self.optimisation, self.workers
        for name, value, least in (
            ("num_workers", workers.num_workers, 1),
            ("min_workers", workers.min_workers or 1, 1),
            ("cpus_per_worker", workers.cpus_per_worker or 1, 1),
            ("epochs", self.budget.epochs, 1),
            ("patches_per_epoch", self.budget.patches_per_epoch or of.batch_size, of.batch_size),
            ("validation_patches", self.budget.validation_patches or 1, 1),
            ("patience", self.budget.patience or 1, 1),
            ("batch_size", of.batch_size, workers.num_workers),
            ("accumulate", of.accumulate, 1),
            ("warmup_steps", of.warmup_steps, 0),
            ("keep_checkpoints", self.saving.keep_checkpoints, 1),
        ):
            if value < least:
                raise ValueError(f"--{name.replace('_', '-')} must be at least {least}, got {value}")
        for name, number in (
            ("learning_rate", of.learning_rate),
            ("clip_norm", of.clip_norm or 1.0),
            ("checkpoint_minutes", self.saving.checkpoint_minutes),
            ("wait_s", workers.wait_s),
            ("minutes", self.budget.minutes or 1.0),
        ):
            if not number > 0:
                raise ValueError(f"--{name.replace('_', '-')} must be above 0, got {number}")
        if of.ema is not None and not 0 < of.ema < 1:
            raise ValueError(f"--ema is a decay between 0 and 1, such as 0.999, got {of.ema}")
        if workers.min_workers is not None and workers.min_workers > workers.num_workers:
            raise ValueError(f"--min-workers {workers.min_workers} is more than --num-workers {workers.num_workers}")
        _check_cache(workers.cache)
        if of.batch_norm == "sync" and not workers.use_gpu:
            raise ValueError("--batch-norm sync needs --use-gpu: torch has it for GPUs alone")
        if of.batch_norm == "sync" and of.accumulate > 1:
            raise ValueError("--batch-norm sync takes statistics of the whole batch, --accumulate computes parts of it")
        if self.run_name is not None and ("/" in self.run_name or self.run_name.startswith(".")):
            raise ValueError(f"--run-name is one folder's name, got {self.run_name!r}")
        from inpaint_ray.models.registry import find_architecture  # here: --help needs no network

        find_architecture(self.architecture)
        parse_damage(self.damage)
        parse_damage(self.validation_damage or self.damage)

    @property
    def name(self) -> str:
        """Return the name of the run's folder."""
        return self.run_name or self.architecture

    @property
    def loss_name(self) -> LossName:
        from inpaint_ray.models.registry import find_architecture

        return self.optimisation.loss or find_architecture(self.architecture).loss

    def identity(self) -> dict[str, Any]:
        """Return, flat, the settings that must stay when a run resumes: all that moves its numbers but its length.

        Under a cosine schedule the length moves them, too: the learning rate falls to 0 at the last epoch.
        """
        return {
            "data": self.data,
            "architecture": self.architecture,
            "run_name": self.name,
            **asdict(self.optimisation),
            "accumulate": None,  # the sum is the same but for rounding
            "loss": self.loss_name,
            "bf16": self.precision.bf16,
            "bf16_validation": self.precision.bf16_validation or None,
            "tf32": None if self.precision.tf32 else False,
            "channels_last": (self.optimisation.optimizer == "muon" and self.precision.channels_last) or None,
            "epochs": self.budget.epochs if self.optimisation.schedule == "cosine" else None,
            "patches_per_epoch": self.budget.patches_per_epoch,
            "validation_patches": self.budget.validation_patches,
            "damage": list(self.damage),
            "validation_damage": list(self.validation_damage) or None,
            "reverse": self.reverse or None,
            "seed": self.seed,
            "init_from": self.init_from,
        }


def _check_cache(places: tuple[str, ...]) -> None:
    folders = [place for place in places if place != DEVICE]
    for folder in folders:
        if not folder.startswith("/"):
            raise ValueError(f"--cache is a folder of each node, with its whole path, or `{DEVICE}`, got {folder}")
        if os.path.normpath(folder).split("/")[1:3] == ["dev", "shm"]:
            raise ValueError(f"--cache {folder}: /dev/shm has Ray's object store; give a folder on a disk")
    if len(folders) > 1 or len(places) > len(set(places)):
        raise ValueError(f"--cache takes one folder, `{DEVICE}`, or both, got {' '.join(places)}")


def check_same_run(asked: dict[str, Any], before: Any, run_uri: str) -> list[str]:
    """Refuse to resume a run with other settings.

    Args:
        asked: the run's identity now.
        before: what its record says.
        run_uri: of the run.

    Returns:
        The settings that cannot be compared, because the version that made the record did not write them down.

    Raises:
        UsageError: lists every difference; or the record is none of ours.
    """
    missing = {name for name, value in asked.items() if value is not None} - set(
        before if isinstance(before, dict) else ()
    )
    if missing - set(NEWER):
        raise UsageError(f"{run_uri} holds something else (run.json); give another --run-name")
    differences = [
        f"{name} was {before[name]!r}, now {value!r}"
        for name, value in asked.items()
        if name in before and before[name] != value
    ]
    if differences:
        raise UsageError(f"{run_uri} is a run with other settings: {'; '.join(differences)}; give another --run-name")
    return [name for name in asked if name in missing]
