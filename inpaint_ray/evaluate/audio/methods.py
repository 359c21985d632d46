"""The methods that an evaluation compares on audio: those of `waveform.fill`, and two baselines beside them."""

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.audio.wiener import wiener_frames
from inpaint_ray.evaluate.audio.janssen import fill_textbook
from inpaint_ray.evaluate.config import MethodName
from inpaint_ray.filling.waveform import RestoreMagnitudes, fill

# What a method must beat. `interpolation` and `wiener` fill the columns of the spectrogram without a network, with the
# phase of `model`; `griffin_lim` is the reference's own synthesis.
BASELINES: tuple[MethodName, ...] = ("silence", "linear", "interpolation", "wiener", "janssen", "griffin_lim")
WITHOUT_MODEL: tuple[MethodName, ...] = ("silence", "linear", "interpolation", "wiener", "janssen", "autoregressive")
WITH_MODEL: tuple[MethodName, ...] = (*WITHOUT_MODEL, "griffin_lim", "model", "auto")
NEEDS_CHECKPOINT: tuple[MethodName, ...] = ("griffin_lim", "model")
FRAMES_ALONE: dict[str, RestoreMagnitudes] = {"interpolation": interpolate_frames, "wiener": wiener_frames}


def restore(
    method: MethodName,
    known: NDArray[np.float64],
    sample_rate: int,
    lost: NDArray[np.bool_],
    model: RestoreMagnitudes | None,
) -> NDArray[np.float64]:
    """Fill the gaps of a signal by a method.

    Args:
        method: which.
        known: (n,) with zeros where samples are lost.
        sample_rate: Hz.
        lost: (n,).
        model: fills lost frames of magnitudes, for the methods that need it.

    Raises:
        ValueError: the method fails: its equations have no solution, or what it gives is not finite.
    """
    if method == "janssen":
        restored = fill_textbook(known, lost)
    elif method == "interpolation" or method == "wiener":
        restored = fill(known, sample_rate, lost, method="model", restore_magnitudes=FRAMES_ALONE[method])
    else:
        restored = fill(known, sample_rate, lost, method=method, restore_magnitudes=model)
    if not np.isfinite(restored).all():
        raise ValueError(f"{method} gave samples that are not finite")
    return restored
