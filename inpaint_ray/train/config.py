"""What a training run is asked for."""

from dataclasses import asdict, dataclass, field
from typing import Any

from inpaint_ray.audio.damage import parse_damage
from inpaint_ray.errors import UsageError
from inpaint_ray.models.registry import LossName, find_architecture


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much is trained and validated."""

    epochs: int = 100
    """Passes over the training patches."""
    patches_per_epoch: int | None = None
    """Call so many patches an epoch, for validation more often than once a pass; default: all of them."""
    validation_patches: int | None = None
    """Validate on so many patches, spread over the split; default: all of them."""


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
    batch_size: int = 58
    """Patches a step, over all workers."""
    learning_rate: float = 1e-3
    """Of Adam."""
    loss: LossName | None = None
    """`mse` as the reference, or `gap_db`: log error in the lost frames; default: the architecture's own."""
    damage: tuple[str, ...] = ("frames",)
    """How frames are lost: `frames` as in the reference, `packets:20`, `bursts:20`, `gap:50` or `gap:5-100` (ms); where
    several are given, each patch draws one."""
    seed: int = 0
    """Of weights, damage and order."""
    init_from: str | None = None
    """Checkpoint folder to take the first weights from."""
    num_workers: int = 1
    """Data-parallel processes."""
    use_gpu: bool = False
    """One GPU for each worker."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("num_workers", self.num_workers, 1),
            ("epochs", self.budget.epochs, 1),
            ("batch_size", self.batch_size, self.num_workers),
        ):
            if value < least:
                raise ValueError(f"--{name.replace('_', '-')} must be at least {least}, got {value}")
        if self.batch_size % self.num_workers:
            raise ValueError(f"--batch-size {self.batch_size} is not a multiple of --num-workers {self.num_workers}")
        if not self.learning_rate > 0:
            raise ValueError(f"--learning-rate must be above 0, got {self.learning_rate}")
        if self.run_name is not None and ("/" in self.run_name or self.run_name.startswith(".")):
            raise ValueError(f"--run-name is one folder's name, got {self.run_name!r}")
        find_architecture(self.architecture)
        parse_damage(self.damage)

    @property
    def name(self) -> str:
        """Of the run's folder."""
        return self.run_name or self.architecture

    @property
    def loss_name(self) -> LossName:
        return self.loss or find_architecture(self.architecture).loss

    def identity(self) -> dict[str, Any]:
        """The settings that a run may not change when it resumes, flat."""
        settings = asdict(self)
        budget = settings.pop("budget")
        kept = {name: value for name, value in settings.items() if name not in ("output", "num_workers", "use_gpu")}
        return kept | {
            "run_name": self.name,
            "loss": self.loss_name,
            "damage": list(self.damage),
            "patches_per_epoch": budget["patches_per_epoch"],
        }


def check_same_run(asked: dict[str, Any], before: dict[str, Any], run_uri: str) -> None:
    """Refuse to resume a run with other settings.

    Raises:
        UsageError: lists every difference.
    """
    differences = [
        f"{name} was {before.get(name)!r}, now {value!r}" for name, value in asked.items() if before.get(name) != value
    ]
    if differences:
        raise UsageError(f"{run_uri} is a run with other settings: {'; '.join(differences)}; give another --run-name")
