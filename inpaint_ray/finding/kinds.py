"""The names of groups of detectors; imports no detector."""

from collections.abc import Sequence
from typing import Literal, get_args

Find = Literal["dropouts", "clicks", "clipping", "all"]
FINDS: tuple[Find, ...] = get_args(Find)
GROUPS = FINDS[:-1]  # of detectors
SENSITIVITY = 0.3


def chosen_groups(kinds: Sequence[str]) -> list[str]:
    """Return the requested groups of detectors, each once, in the order of the registry.

    Raises:
        ValueError: there is no such group, or none is named.
    """
    unknown = [kind for kind in kinds if kind not in FINDS]
    if unknown or not kinds:
        named = ", ".join(unknown) or "nothing"
        raise ValueError(f"find: give one or more of {', '.join(FINDS)}, got {named}")
    return [group for group in GROUPS if group in kinds or "all" in kinds]
