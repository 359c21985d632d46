"""What a search is asked for."""

from dataclasses import dataclass, field

from inpaint_ray.models.registry import ARCHITECTURES, find_architecture
from inpaint_ray.train.config import Budget, Optimisation, Precision, TrainConfig, Workers

ALL = "all"


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """Train several architectures on the same shards and rank them."""

    data: str
    """Folder or bucket prefix that jobs/prepare.py made."""
    output: str
    """Folder or bucket prefix of searches; this one goes to OUTPUT/RUN_NAME."""
    architectures: tuple[str, ...]
    """Names of the registry, or `all`."""
    run_name: str = "tune"
    """The same name again goes on with the search."""
    budget: Budget = field(default_factory=lambda: Budget(epochs=10))
    optimisation: Optimisation = field(default_factory=Optimisation)
    precision: Precision = field(default_factory=Precision)
    workers: Workers = field(default_factory=Workers)
    damage: tuple[str, ...] = ("frames",)
    """How frames are lost, as for the train job; validation is damaged alike."""
    seed: int = 0
    """Of weights, damage and order, the same for all."""
    max_concurrent: int = 1
    """Trials at the same time."""

    def __post_init__(self) -> None:
        if self.max_concurrent < 1:
            raise ValueError(f"--max-concurrent must be at least 1, got {self.max_concurrent}")
        if not self.names:
            raise ValueError(f"--architectures needs at least one name, or {ALL}")
        for name in self.names:
            find_architecture(name)
            self.trial(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The architectures to compare, each once, in the order given."""
        return tuple(ARCHITECTURES) if ALL in self.architectures else tuple(dict.fromkeys(self.architectures))

    def trial(self, architecture: str) -> TrainConfig:
        """The training of one of them."""
        return TrainConfig(
            data=self.data,
            output=f"{self.output.rstrip('/')}/{self.run_name}/trials",
            architecture=architecture,
            budget=self.budget,
            optimisation=self.optimisation,
            precision=self.precision,
            workers=self.workers,
            damage=self.damage,
            seed=self.seed,
        )
