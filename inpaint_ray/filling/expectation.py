"""The expected signal-to-noise ratio of a fill, estimated without the truth.

`level_db`: least squares loses the power that it cannot predict, so a fill's power over that of its surroundings
tells how much it knows. `pseudo_db`: SNR of fills of gaps of the same length beside the gap, where the truth is
known. `trust_db` (see `matching`): SNR on one side of a gap of what was fitted on the other. Coefficients are fitted on
the tuning half of benchmarks.long_gaps by benchmarks.expectation, which also draws docs/results/expected_snr.png.

Shapes: n = samples.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SIDE_S = 0.05  # on either side at least, whose power is compared; half of the gap, if that is longer
MOST_DB = 20.0  # of a level: a power cannot be told to be nearer than this
PSEUDO_CONTEXT_S = 0.4  # on either side of a pseudo gap

COEFFICIENTS = {  # constant, a dB of level, a doubling of 0.1 s, a dB of trust or pseudo gaps
    "autoregressive": (1.09, 0.43, -1.41, 0.0),
    "pseudo": (-1.16, 0.23, 0.25, 0.90),
    "retrieval": (3.99, 0.30, -0.74, 0.81),
    "other channel": (4.47, 0.41, -1.40, 0.0),
    "model": (1.48, 0.07, -1.79, 0.0),
    "copy": (0.0, 0.0, 0.0, 1.0),
}
LEAST_DB, MOST_EXPECTED_DB = -3.0, 40.0
LENGTH_COUNTS_S = 0.3  # longer gaps are no harder

Word = Literal["sure", "likely", "guess"]
SURE_DB, LIKELY_DB = 10.0, 4.0
Signal = NDArray[np.float64]
Fill = Callable[[Signal, NDArray[np.bool_]], Signal]  # (n,) and lost, (n,) -> (n,)


def power_around(filled: Signal, start: int, stop: int, sample_rate: int) -> float:
    """Return the geometric mean of the powers before and after a gap; the one side's at the end of a signal."""
    reach = max((stop - start) // 2, round(SIDE_S * sample_rate))
    sides = [part for part in (filled[max(start - reach, 0) : start], filled[stop : stop + reach]) if len(part)]
    return float(np.exp(np.mean([np.log(np.mean(side**2) + 1e-20) for side in sides]))) if sides else 0.0


def level_db(fill: Signal, power: float) -> float:
    """Estimate an SNR from the power of a fill, 0 to 20 dB.

    Args:
        fill: of a gap.
        power: of its surroundings.
    """
    if power <= 0:
        return 0.0
    unknown = max(1 - float(np.mean(fill**2)) / power, 10 ** (-MOST_DB / 10))
    return max(-10 * float(np.log10(unknown)), 0.0)


def pseudo_gaps(lost: NDArray[np.bool_], start: int, stop: int) -> list[tuple[int, int]]:
    """Return known stretches of the gap's length, up to two on either side."""
    length = stop - start
    firsts = (start - 3 * length // 2 - 1, start - 3 * length, stop + length // 2, stop + 2 * length)
    return [
        (first, first + length)
        for first in firsts
        if first >= 0 and first + length <= len(lost) and not lost[first : first + length].any()
    ]


def fill_pseudo_gap(filled: Signal, start: int, stop: int, sample_rate: int, fill: Fill) -> Signal:
    """Fill a known stretch as if it were a gap: (stop - start,)."""
    context = round(PSEUDO_CONTEXT_S * sample_rate)
    first, last = max(start - context, 0), min(stop + context, len(filled))
    gap = np.zeros(last - first, dtype=bool)
    gap[start - first : stop - first] = True
    return fill(np.where(gap, 0.0, filled[first:last]), gap)[gap]


def snr_db(filled: Signal, truth: Signal) -> float:
    """Return the signal-to-noise ratio, limited to -20 to 60 dB."""
    power, error = float(np.sum(truth**2)), float(np.sum((truth - filled) ** 2))
    return float(np.clip(10 * np.log10((power + 1e-20) / (error + 1e-20)), -20, 60))


def pseudo_db(filled: Signal, lost: NDArray[np.bool_], start: int, stop: int, sample_rate: int, fill: Fill) -> float:
    """Return the mean SNR of the fills of pseudo gaps; minus infinity where none can be placed."""
    ratios = [
        snr_db(fill_pseudo_gap(filled, *gap, sample_rate, fill), filled[gap[0] : gap[1]])
        for gap in pseudo_gaps(lost, start, stop)
    ]
    return float(np.mean(ratios)) if ratios else -np.inf


def features(method: str, seconds: float, level: float, trust: float, pseudo: float) -> tuple[str, Signal]:
    """Return the row of COEFFICIENTS for a fill, and the features that it multiplies: (4,).

    Args:
        method: what the fill is made by; what lends it bands, after a plus, does not count.
        seconds: of the gap.
        level: in dB.
        trust: of the source, in dB; minus infinity without one.
        pseudo: SNR of pseudo gaps, in dB; not finite if none were filled.
    """
    kind = method.split(" + ")[0]
    if kind == "autoregressive" and np.isfinite(pseudo):
        kind = "pseudo"
    more = {"retrieval": trust, "copy": trust, "pseudo": pseudo}.get(kind, 0.0)
    return kind, np.array([1.0, level, np.log2(min(seconds, LENGTH_COUNTS_S) / 0.1), more])


def expected_db(method: str, seconds: float, level: float, trust: float, pseudo: float) -> float:
    """Return the expected SNR of a fill, in dB; arguments as for `features`."""
    kind, values = features(method, seconds, level, trust, pseudo)
    return float(np.clip(values @ COEFFICIENTS[kind], LEAST_DB, MOST_EXPECTED_DB))


def in_a_word(expected: float) -> Word:
    """Put an expected SNR into a word: `sure` from 10 dB on, `likely` from 4 dB on, else `guess`."""
    return "sure" if expected >= SURE_DB else "likely" if expected >= LIKELY_DB else "guess"
