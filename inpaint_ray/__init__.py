"""Restore music that has lost pieces: `inpaint` for waveforms, `inpaint_magnitudes` for spectrograms."""

from inpaint_ray.filling.calls import inpaint, inpaint_magnitudes
from inpaint_ray.version import VERSION as __version__

__all__ = ["__version__", "inpaint", "inpaint_magnitudes"]
