"""The settings of a search, and its trials."""

import fnmatch
import functools
import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from inpaint_ray.train.config import Budget, Optimisation, Precision, TrainConfig, Workers
from inpaint_ray.tune.space import DAMAGE, Settings, Space, draw, extremes, parse_space

ALL, FAMILY = "all", "family:"


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """Train several architectures on the same shards, each with the same settings, and rank them."""

    data: str
    """Folder or bucket prefix that jobs/prepare.py made."""
    output: str
    """Folder or bucket prefix of searches; this one goes to OUTPUT/RUN_NAME."""
    architectures: tuple[str, ...]
    """Names of the registry, patterns such as '*UNet*', families such as family:unet, or `all`."""
    run_name: str = "tune"
    """The same name again goes on with the search."""
    space: tuple[str, ...] = ()
    """Settings of the optimisation and damage that vary: learning-rate=1e-4..3e-3 (a range, drawn
    log-uniformly), batch-size=16,58 (choices), ema=none,0.999 damage=frames,gap:50; or a .yaml file of such pairs."""
    samples: int = 1
    """Settings drawn from the space; every architecture is trained with each of them."""
    sampler: Literal["random", "optuna"] = "random"
    """`optuna` chooses architecture and settings by what came before (TPE); needs `pip install inpaint-ray[optuna]`."""
    scheduler: Literal["none", "asha"] = "none"
    """`asha` stops a trial that is not in the best third after 1, 3, 9, ... epochs."""
    same: Literal["epochs", "multiply-adds"] = "epochs"
    """Equal budgets: the same patches for all; or `multiply-adds`: --patches-per-epoch are those of the cheapest
    architecture, the others get fewer. For the same time, give --minutes and more --epochs than fit into them."""
    budget: Budget = field(default_factory=lambda: Budget(epochs=10))
    optimisation: Optimisation = field(default_factory=Optimisation)
    precision: Precision = field(default_factory=Precision)
    workers: Workers = field(default_factory=Workers)
    damage: tuple[str, ...] = ("frames",)
    """Loss of frames, as for the train job. Validation is damaged so, also where the space varies damage."""
    seed: int = 0
    """Of weights, damage and order, the same for all; and of the settings that are drawn."""
    max_concurrent: int = 1
    """Trials at the same time."""

    def __post_init__(self) -> None:
        if self.max_concurrent < 1:
            raise ValueError(f"--max-concurrent must be at least 1, got {self.max_concurrent}")
        if self.samples < 1:
            raise ValueError(f"--samples must be at least 1, got {self.samples}")
        if not self.names:
            raise ValueError(f"--architectures needs at least one name, or {ALL}")
        if not self.space and (self.samples > 1 or self.sampler == "optuna"):
            raise ValueError("--samples and --sampler optuna need a --space to draw from")
        if self.same == "multiply-adds" and self.budget.patches_per_epoch is None:
            raise ValueError("--same multiply-adds needs --patches-per-epoch, those of the cheapest architecture")
        for name in self.names:
            self.trial(name, {})
        for settings in extremes(self.varied):
            self.trial(self.names[0], settings)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Return the architectures to compare, each once, in the order given."""
        return tuple(dict.fromkeys(name for asked in self.architectures for name in _expand(asked)))

    @functools.cached_property
    def varied(self) -> Space:
        return parse_space(self.space)

    def planned(self) -> list[tuple[str, Settings]]:
        """Return every architecture with every sample of the settings."""
        drawn = [draw(self.varied, self.seed, number) for number in range(self.samples)]
        return [(name, settings) for settings in drawn for name in self.names]

    def trial(self, architecture: str, settings: Settings) -> TrainConfig:
        """Return the training of an architecture with settings of the space; its name tells both.

        Raises:
            ValueError: the settings are not valid.
        """
        changes: dict[str, Any] = {name.replace("-", "_"): value for name, value in settings.items() if name != DAMAGE}
        damage = str(settings[DAMAGE]).split("+") if DAMAGE in settings else self.damage
        return TrainConfig(
            data=self.data,
            output=f"{self.output.rstrip('/')}/{self.run_name}/trials",
            architecture=architecture,
            run_name=trial_name(architecture, settings),
            budget=self._budget(architecture),
            optimisation=replace(self.optimisation, **changes),
            precision=self.precision,
            workers=self.workers,
            damage=tuple(damage),
            validation_damage=self.damage,  # the same for all
            seed=self.seed,
        )

    def _budget(self, architecture: str) -> Budget:
        patches = self.budget.patches_per_epoch
        if self.same == "epochs" or patches is None:
            return self.budget
        cheapest = min(multiply_adds(name) for name in self.names)
        share = round(patches * cheapest / multiply_adds(architecture))
        return replace(self.budget, patches_per_epoch=max(share, self.optimisation.batch_size))


def trial_name(architecture: str, settings: Settings) -> str:
    """Return the name of a trial and its folder: the architecture and, where there are settings, their digest."""
    if not settings:
        return architecture
    return f"{architecture}-{hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:6]}"


@functools.cache
def multiply_adds(architecture: str) -> int:
    """Count the multiply-adds of one patch."""
    import torch  # here, as in `_expand`: --help needs no network

    from inpaint_ray.models.registry import build_model
    from inpaint_ray.models.table import count_multiply_adds

    with torch.device("meta"):
        return count_multiply_adds(build_model(architecture))


def _expand(asked: str) -> list[str]:
    """Expand a word of --architectures to names."""
    from inpaint_ray.models.registry import ARCHITECTURES, find_architecture

    if asked == ALL:
        return list(ARCHITECTURES)
    if asked.startswith(FAMILY):
        families = sorted({entry.family for entry in ARCHITECTURES.values()})
        family = asked.removeprefix(FAMILY)
        if family not in families:
            raise ValueError(f"--architectures {asked}: give {FAMILY} and one of {', '.join(families)}")
        return [name for name, entry in ARCHITECTURES.items() if entry.family == family]
    if any(sign in asked for sign in "*?["):
        found = fnmatch.filter(ARCHITECTURES, asked)
        if not found:
            raise ValueError(f"--architectures {asked}: no architecture has such a name")
        return found
    find_architecture(asked)
    return [asked]
