"""Restore music that has lost pieces: `inpaint` for waveforms, `inpaint_magnitudes` for spectrograms."""

from typing import TYPE_CHECKING, Any

from inpaint_ray.version import VERSION as __version__

if TYPE_CHECKING:
    from inpaint_ray.filling.calls import inpaint, inpaint_magnitudes

__all__ = ["__version__", "inpaint", "inpaint_magnitudes"]


def __getattr__(name: str) -> Any:
    """Import the calls when they are asked for: they need the networks, and most of Ray's processes do not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from inpaint_ray.filling import calls

    return getattr(calls, name)
