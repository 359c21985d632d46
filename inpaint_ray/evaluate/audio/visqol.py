"""ViSQOL of Google, by the package `visqol-python`, which is imported when it is asked for."""

import numpy as np
import torch
import torchaudio.functional
from numpy.typing import NDArray

from inpaint_ray.errors import UsageError

VISQOL_RATE = 48_000  # Hz, of its audio mode


class Visqol:
    """A predictor of the mean opinion score of a signal beside its reference, from 1 to 5 (Chinen et al., 2020)."""

    def __init__(self) -> None:
        try:
            from visqol import VisqolApi  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise UsageError("--visqol: visqol-python is not installed; pip install inpaint-ray[visqol]") from error
        self._api = VisqolApi()
        self._api.create(mode="audio")

    def score(self, clean: NDArray[np.float64], restored: NDArray[np.float64], sample_rate: int) -> float:
        """Predict the MOS-LQO of (n,) signals at a rate in Hz."""
        pair = torch.from_numpy(np.stack([clean, restored]))
        reference, degraded = torchaudio.functional.resample(pair, sample_rate, VISQOL_RATE).numpy()
        return float(self._api.measure_from_arrays(reference, degraded, sample_rate=VISQOL_RATE).moslqo)
