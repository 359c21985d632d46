"""Results of trials, and their ranking."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from inpaint_ray.train.state import Row
from inpaint_ray.tune.space import Settings


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The result of one trial."""

    trial: str  # its name, and that of its folder
    architecture: str
    settings: Settings  # of the space
    parameters: int
    multiply_adds: int  # of a patch
    epochs: int
    patches: int  # trained on, over all epochs
    psnr: float  # dB, validation, best epoch
    gain: float  # dB over the damaged input
    interpolation_gain: float
    nrmse: float
    published_psnr: float | None  # dB, of the paper's own data and damage
    seconds: float  # of training, all epochs
    stopped: str  # why: finished, what ended it before, or the error
    history: list[Row] = field(default_factory=list, repr=False)  # a row of metrics for each epoch

    @property
    def has_score(self) -> bool:
        """Return True if the trial can be ranked: in some epoch the network's output was finite on every patch."""
        return self.epochs > 0 and math.isfinite(self.gain)


def rank(entries: Sequence[Entry]) -> list[Entry]:
    """Sort by gain, the best first; trials without a score come last."""
    return sorted(entries, key=lambda entry: entry.gain if entry.has_score else -math.inf, reverse=True)


def pareto_front(entries: Sequence[Entry]) -> list[Entry]:
    """Return the Pareto front: trials that no cheaper or equally cheap one beats, the cheapest first."""
    front: list[Entry] = []
    for entry in sorted((e for e in entries if e.has_score), key=lambda e: (e.multiply_adds, -e.gain)):
        if not front or entry.gain > front[-1].gain:
            front.append(entry)
    return front
