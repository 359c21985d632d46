"""How gaps are found: stretches of digital silence that begin or end abruptly inside sound."""

import numpy as np
from numpy.typing import NDArray

EDGE_S = 0.0005  # what is called the edge: the nearest half millisecond of sound
LOCAL_S = 0.02  # what it is compared with
MIN_EDGE = 1e-4  # -80 dB: quieter edges may be the end of a fade
MIN_EDGE_SHARE = 0.2  # of the local level; a natural decay ends far below


def find_lost(samples: NDArray, sample_rate: int, *, min_gap_s: float = 0.001) -> NDArray[np.bool_]:
    """Where audio is missing: samples that are not finite, and abrupt runs of exact zeros.

    A run of zeros is taken for a gap when it is long enough, does not touch the start or end of the file, and on at
    least one side the peak of the last half millisecond is above -80 dB of full scale and above a fifth of the RMS
    level of 20 ms. Each channel is judged by itself. A note that begins abruptly after a true pause of digital
    silence is indistinguishable from a gap by this rule.

    Args:
        samples: (channels, n) float, full scale 1.
        sample_rate: Hz.
        min_gap_s: the shortest run of zeros, in seconds.

    Returns:
        lost, (channels, n).
    """
    return np.stack([_find_lost_in_channel(channel, sample_rate, min_gap_s) for channel in samples])


def find_runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First sample, and one past the last, of every run of True in (n,): two arrays of (runs,)."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return edges[::2], edges[1::2]


def _find_lost_in_channel(channel: NDArray, sample_rate: int, min_gap_s: float) -> NDArray[np.bool_]:
    lost = ~np.isfinite(channel)
    sound = np.where(lost, 0.0, channel).astype(np.float64)
    starts, stops = find_runs(sound == 0)
    inside = (starts > 0) & (stops < len(sound)) & (stops - starts >= max(min_gap_s * sample_rate, 1))
    starts, stops = starts[inside], stops[inside]
    abrupt = _is_abrupt(sound, starts, sample_rate) | _is_abrupt(sound[::-1], len(sound) - stops, sample_rate)
    change = np.zeros(len(sound) + 1, dtype=np.int64)
    change[starts[abrupt]] += 1
    change[stops[abrupt]] -= 1
    return lost | (np.cumsum(change[:-1]) > 0)


def _is_abrupt(sound: NDArray[np.float64], starts: NDArray[np.int64], sample_rate: int) -> NDArray[np.bool_]:
    """Whether sound breaks off at each start of a run of zeros: (runs,)."""
    edge_length = max(round(EDGE_S * sample_rate), 2)
    energy = np.concatenate([[0.0], np.cumsum(sound**2)])
    count = np.concatenate([[0], np.cumsum(sound != 0)])  # earlier gaps do not lower the level
    first = np.maximum(starts - round(LOCAL_S * sample_rate), 0)
    local = np.sqrt(np.maximum(energy[starts] - energy[first], 0) / np.maximum(count[starts] - count[first], 1))
    edge = np.zeros(len(starts))
    for back in range(1, edge_length + 1):
        edge = np.maximum(edge, np.abs(sound[np.maximum(starts - back, 0)]))
    return (edge > MIN_EDGE) & (edge > MIN_EDGE_SHARE * local)
