"""Restore music: `find` and `repair` damage, `merge` copies, `inpaint` known gaps, `inpaint_magnitudes`."""

from typing import TYPE_CHECKING, Any

from inpaint_ray.version import VERSION as __version__

if TYPE_CHECKING:
    from inpaint_ray.filling.calls import inpaint, inpaint_magnitudes
    from inpaint_ray.merging.calls import merge
    from inpaint_ray.repairing import find, repair

__all__ = ["__version__", "find", "inpaint", "inpaint_magnitudes", "merge", "repair"]


def __getattr__(name: str) -> Any:
    """Import the calls when they are asked for: they need the networks, and most of Ray's processes do not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from inpaint_ray import repairing
    from inpaint_ray.filling import calls
    from inpaint_ray.merging import calls as merging

    return getattr(repairing if name in ("find", "repair") else merging if name == "merge" else calls, name)
