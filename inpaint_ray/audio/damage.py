"""How gaps are made: drawn from a seed and the identity of what is damaged, the same on any machine.

Only the raw output of numpy's Philox generator is used, whose stream numpy guarantees across versions and machines;
its `choice` and `permutation` carry no such promise.
"""

import numpy as np
from numpy.typing import NDArray

MIN_LOST_SHARE = 0.1  # of the frames of a patch, by the reference
MAX_LOST_SHARE = 0.7


def draw_lost_frames(seed: int, *identity: int, num_frames: int = 128) -> NDArray[np.bool_]:
    """The reference's damage of a patch: 10 to 70 % of its frames, drawn without replacement.

    The count is uniform from floor(0.1 T) to floor(0.7 T) - 1, both included, which is 12 to 88 of 128 frames.

    Args:
        seed: any integer >= 0.
        identity: what is damaged: track_id and patch, and the epoch where damage is new in every epoch.
        num_frames: T.

    Returns:
        lost, (T,) bool.
    """
    draws = _raw_draws(seed, *identity, count=num_frames + 1)
    fewest, most = int(MIN_LOST_SHARE * num_frames), int(MAX_LOST_SHARE * num_frames) - 1
    num_lost = fewest + int(draws[0] % np.uint64(most - fewest + 1))
    lost = np.zeros(num_frames, dtype=bool)
    lost[np.argsort(draws[1:], kind="stable")[:num_lost]] = True
    return lost


def draw_gaps(
    num_samples: int,
    sample_rate: int,
    *,
    seed: int,
    share: float = 0.01,
    min_gap_s: float = 0.005,
    max_gap_s: float = 0.05,
) -> NDArray[np.bool_]:
    """Dropouts in a waveform: gaps of uniformly drawn length, one in each of equal stretches, nowhere touching.

    Args:
        num_samples: n.
        sample_rate: Hz.
        seed: same seed and arguments, same gaps, on any machine.
        share: of the samples to lose, about; in (0, 0.5].
        min_gap_s: the shortest gap in seconds.
        max_gap_s: the longest gap in seconds.

    Returns:
        lost, (n,) bool; without a gap when n is shorter than two of the longest gaps.

    Raises:
        ValueError: a share or length outside its range.
    """
    if not 0 < share <= 0.5 or not 0 < min_gap_s <= max_gap_s:
        raise ValueError(
            f"share must be in (0, 0.5] and 0 < min_gap_s <= max_gap_s, got {share}, {min_gap_s}, {max_gap_s}"
        )
    stretch = int((min_gap_s + max_gap_s) / 2 / share * sample_rate)
    stretch = max(stretch, 2 * int(max_gap_s * sample_rate))
    lost = np.zeros(num_samples, dtype=bool)
    for number in range(num_samples // stretch):
        length_draw, place_draw = _unit_draws(seed, num_samples, number, count=2)
        length = max(1, int((min_gap_s + length_draw * (max_gap_s - min_gap_s)) * sample_rate))
        start = number * stretch + 1 + int(place_draw * (stretch - length - 2))
        lost[start : start + length] = True
    return lost


def _raw_draws(seed: int, *identity: int, count: int) -> NDArray[np.uint64]:
    return np.random.Philox(np.random.SeedSequence([seed, *identity])).random_raw(count)


def _unit_draws(seed: int, *identity: int, count: int) -> NDArray[np.float64]:
    """Uniform in [0, 1)."""
    return (_raw_draws(seed, *identity, count=count) >> np.uint64(11)).astype(np.float64) * 2.0**-53
