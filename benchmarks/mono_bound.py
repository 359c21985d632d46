"""The most that a mono copy may tell of a stereo recording: benchmarks.merge mono.

The mean of the channels is taken as it is; what is left to guess is half of their difference.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lstsq

from benchmarks.transfers import list_recordings
from inpaint_ray.filling.autoregressive import fill_gaps
from inpaint_ray.merging.mono import predict

STARTS_S, GAP_S, CONTEXT_S = (4, 9, 14, 19), 0.1, 0.4
DECAY_S = 0.1  # of the weight of the surroundings
TAPS = 48  # to either side, of the filter that is fitted to the truth itself

Signal = NDArray[np.float64]


def bound(folders: list[Path], half: str, limit: int) -> None:
    """Print the mean SNR of gaps of 100 ms, by what the difference of the channels is guessed."""
    ratios: dict[str, list[float]] = {}
    for name, clean, rate in list_recordings(folders, half, limit):
        for start in STARTS_S:
            for label, ratio in _ratios(clean, start * rate, rate).items():
                ratios.setdefault(label, []).append(ratio)
        print(name, {label: round(float(np.mean(found[-len(STARTS_S) :])), 1) for label, found in ratios.items()})
    for label, found in ratios.items():
        print(f"{label}: {np.mean(found):.1f} dB, {len(found)} gaps")


def _ratios(clean: Signal, start: int, rate: int) -> dict[str, float]:
    gap, context = round(GAP_S * rate), round(CONTEXT_S * rate)
    around = clean[:, start - context : start + gap + context]
    mean, side = (around[0] + around[1]) / 2, (around[0] - around[1]) / 2
    place = np.arange(around.shape[1])
    hole = (place >= context) & (place < context + gap)
    distance = np.maximum(context - place, place - context - gap + 1)
    weight = np.where(hole, 0.0, np.exp(-distance / (DECAY_S * rate)))
    matrix = np.lib.stride_tricks.sliding_window_view(np.pad(mean, TAPS), 2 * TAPS + 1)
    taps, *_ = lstsq(matrix[hole], side[hole])
    guesses = {
        "nothing": np.zeros_like(side),
        "a filter of the surroundings": predict(mean, side, weight, rate),
        f"a filter of {2 * TAPS + 1} taps fitted to the gap itself": matrix @ taps,
    }
    power = float(np.sum(mean[hole] ** 2 + side[hole] ** 2))

    def ratio(error: Signal) -> float:
        return min(10 * float(np.log10((power + 1e-20) / (float(np.sum(error[hole] ** 2)) + 1e-20))), 60.0)

    made = {"both channels filled": ratio(np.hypot(*(each - _filled(each, hole, rate) for each in (mean, side))))}
    for label, guess in guesses.items():
        made[f"mean exact, side by {label}"] = ratio(side - guess)
        made[f"mean exact, side by {label}, the rest filled"] = ratio(side - guess - _filled(side - guess, hole, rate))
    return made


def _filled(signal: Signal, hole: NDArray[np.bool_], rate: int) -> Signal:
    return np.where(hole, fill_gaps(np.where(hole, 0.0, signal), hole, rate), signal)
