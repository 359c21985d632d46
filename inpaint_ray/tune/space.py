"""The search space beside the architecture: ranges and choices for settings of the training.

A range is `1e-4..3e-3`, drawn log-uniformly; choices are `16,58`; parts of a damage that patches draw from are joined
by a plus: `frames,frames+gap:5-100` are two choices.
"""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from inpaint_ray.errors import UsageError
from inpaint_ray.train.config import Optimisation

DAMAGE = "damage"
SETTINGS = (*(field.name.replace("_", "-") for field in fields(Optimisation)), DAMAGE)

Value = float | int | str | None
Settings = dict[str, Value]


@dataclass(frozen=True)
class Range:
    """A range of numbers above 0, drawn log-uniformly; integers where both ends are."""

    low: float
    high: float

    def at(self, place: float) -> Value:
        """Return the value at a position from 0 to 1."""
        value = self.low * (self.high / self.low) ** place
        return round(value) if isinstance(self.low, int) and isinstance(self.high, int) else float(f"{value:.4g}")


@dataclass(frozen=True)
class Choice:
    """A choice among values."""

    values: tuple[Value, ...]

    def at(self, place: float) -> Value:
        """Return the value at a position from 0 to below 1."""
        return self.values[math.floor(place * len(self.values))]


Space = dict[str, Range | Choice]


def parse_space(flags: tuple[str, ...]) -> Space:
    """Parse --space: SETTING=VALUES each, or one YAML file of such pairs.

    Raises:
        ValueError: an unknown setting, or values that are no range and no choices.
    """
    if len(flags) == 1 and flags[0].endswith((".yaml", ".yml")):
        return {name: _parse(name, values) for name, values in _read(flags[0]).items()}
    space: Space = {}
    for flag in flags:
        name, equals, values = flag.partition("=")
        if not equals or name in space:
            raise ValueError(f"--space {flag}: give each setting once, such as learning-rate=1e-4..3e-3, or a .yaml")
        space[name] = _parse(name, values)
    return space


def draw(space: Space, seed: int, number: int) -> Settings:
    """Draw the settings of a sample: the same for the same seed and number, whatever else is drawn."""
    places = np.random.Generator(np.random.Philox(key=[seed, number])).random(len(space))
    return {name: space[name].at(float(place)) for name, place in zip(sorted(space), places, strict=True)}


def extremes(space: Space) -> list[Settings]:
    """Yield each extreme of the space by itself, both ends of a range or all choices, to be checked."""
    return [
        {name: value}
        for name, part in space.items()
        for value in ((part.low, part.high) if isinstance(part, Range) else part.values)
    ]


def in_words(settings: Settings) -> str:
    return ", ".join(f"{name} {'none' if value is None else value}" for name, value in settings.items())


def _read(path: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"--space {path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not content:
        raise UsageError(f"--space {path}: give lines such as learning-rate: 1e-4..3e-3")
    return content


def _parse(name: str, values: object) -> Range | Choice:
    if name not in SETTINGS:
        raise ValueError(f"--space {name}: no such setting; give some of {', '.join(SETTINGS)}")
    if not isinstance(values, str):
        return Choice(tuple(_value(str(value)) for value in (values if isinstance(values, list) else [values])))
    if ".." not in values:
        return Choice(tuple(_value(text) for text in values.split(",")))
    low, high = (_value(text) for text in values.split("..", 1))
    if not isinstance(low, int | float) or not isinstance(high, int | float) or not 0 < low < high:
        raise ValueError(f"--space {name}={values}: a range is LOW..HIGH, two numbers above 0")
    return Range(low, high)


def _value(text: str) -> Value:
    text = text.strip()
    if text.lower() == "none":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
