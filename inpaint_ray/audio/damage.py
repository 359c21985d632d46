"""How gaps are made: drawn from a seed and the identity of what is damaged, the same on any machine.

Only the raw output of numpy's Philox generator is used, whose stream numpy guarantees across versions and machines;
its `choice` and `permutation` carry no such promise.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.stft import FRAME_S, HOP_S
from inpaint_ray.errors import UsageError

MIN_LOST_SHARE = 0.1  # of the frames of a patch, by the reference
MAX_LOST_SHARE = 0.7
MIN_LOSS_RATE, MAX_LOSS_RATE = 0.05, 0.4  # of packets; each patch draws its own
BURST_PACKETS = 3  # mean length of a burst
DEFAULT_MS = {"packets": 20.0, "bursts": 20.0, "gap": 50.0}
LONGEST_MS = 1000.0  # of a gap or packet: what restoration fills
LONGEST_IN_PATCH_MS = 480.0  # a patch of 128 frames lasts 524 ms
GAP_EVERY_MS = 1000.0  # of a waveform: one gap in each such stretch

DamageKind = Literal["frames", "packets", "bursts", "gap"]


@dataclass(frozen=True)
class Damage:
    """How the frames of a patch are lost, as a flag says it: KIND, KIND:MS or KIND:MS-MS.

    `frames` loses 10 to 70 % of the frames anywhere, as the reference does. The other kinds lose stretches of the
    signal, and with them every frame that touches one: `packets:20` each packet of 20 ms by itself, 5 to 40 % of
    them; `bursts:20` as many, in bursts of three on average (Gilbert, 1960; Elliott, 1963, with every packet lost in
    the bad state and none in the good one); `gap:50` one stretch of 50 ms, `gap:5-100` of a length drawn from 5 to
    100 ms.
    """

    kind: DamageKind = "frames"
    shortest_ms: float = 0.0
    longest_ms: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Damage":
        """The damage that a flag names.

        Raises:
            ValueError: no such kind, or a length outside 1 to 1000 ms.
        """
        kinds = get_args(DamageKind)
        match = re.fullmatch(rf"({'|'.join(kinds)})(?::(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?)?", text)
        if not match or (match[1] == "frames" and match[2]) or (match[1] != "gap" and match[3]):
            raise ValueError(f"--damage {text}: give frames, packets:20, bursts:20, gap:50 or gap:5-100 (milliseconds)")
        if match[1] == "frames":
            return cls()
        shortest = float(match[2] or DEFAULT_MS[match[1]])
        longest = float(match[3] or shortest)
        if not 1 <= shortest <= longest <= LONGEST_MS:
            raise ValueError(f"--damage {text}: lengths are from 1 to {LONGEST_MS:g} ms, the shorter one first")
        return cls(match[1], shortest, longest)  # type: ignore[arg-type]  # the pattern has the kinds


FRAMES = (Damage(),)


def parse_damage(flags: tuple[str, ...]) -> tuple[Damage, ...]:
    """The damages of patches that flags name.

    Raises:
        UsageError: one is longer than a patch can lose, or there is not one.
        ValueError: one is no damage.
    """
    if not flags:
        raise UsageError("--damage needs at least one of frames, packets:20, bursts:20, gap:50")
    damages = tuple(Damage.parse(flag) for flag in flags)
    for flag, damage in zip(flags, damages, strict=True):
        if damage.longest_ms > LONGEST_IN_PATCH_MS:
            raise UsageError(f"--damage {flag}: patches last 524 ms; give at most {LONGEST_IN_PATCH_MS:g} ms")
    return damages


def draw_lost_frames(
    seed: int, *identity: int, num_frames: int = 128, damage: tuple[Damage, ...] = FRAMES
) -> NDArray[np.bool_]:
    """The frames of a patch that are lost.

    Args:
        seed: any integer >= 0.
        identity: what is damaged: track_id and patch, and the epoch where damage is new in every epoch.
        num_frames: T.
        damage: how; of several, each patch draws one.

    Returns:
        lost, (T,) bool, with at least one True.
    """
    which = (
        0 if len(damage) == 1 else int(_raw_draws(seed, *identity, len(damage), count=1)[0] % np.uint64(len(damage)))
    )
    chosen = damage[which]
    if chosen.kind == "frames":
        return _draw_frames(seed, *identity, num_frames=num_frames)
    hop_ms, frame_ms = 1e3 * HOP_S, 1e3 * FRAME_S
    patch_ms = (num_frames - 1) * hop_ms + frame_ms
    starts, length_ms = _draw_stretches(chosen, patch_ms, seed, *identity)
    frame_starts = hop_ms * np.arange(num_frames)[:, None]  # against (stretches,)
    touched: NDArray[np.bool_] = (frame_starts < starts + length_ms) & (frame_starts + frame_ms > starts)
    return np.any(touched, axis=1)


def _draw_frames(seed: int, *identity: int, num_frames: int) -> NDArray[np.bool_]:
    """The reference's damage: the count is uniform from floor(0.1 T) to floor(0.7 T) - 1, both included (12 to 88)."""
    draws = _raw_draws(seed, *identity, count=num_frames + 1)
    fewest, most = int(MIN_LOST_SHARE * num_frames), int(MAX_LOST_SHARE * num_frames) - 1
    num_lost = fewest + int(draws[0] % np.uint64(most - fewest + 1))
    lost = np.zeros(num_frames, dtype=bool)
    lost[np.argsort(draws[1:], kind="stable")[:num_lost]] = True
    return lost


def _draw_stretches(damage: Damage, patch_ms: float, seed: int, *identity: int) -> tuple[NDArray[np.float64], float]:
    """Where stretches of the signal are lost, in ms from the patch's beginning, and how long each is."""
    num_packets = int(patch_ms / damage.shortest_ms) + 2  # the first and last may reach over the edges
    length_draw, place_draw, rate_draw, state_draw, *draws = _unit_draws(seed, *identity, count=4 + num_packets)
    length_ms = damage.shortest_ms + length_draw * (damage.longest_ms - damage.shortest_ms)
    if damage.kind == "gap":
        return np.array([place_draw * max(patch_ms - length_ms, 0.0)]), length_ms
    rate = MIN_LOSS_RATE + rate_draw * (MAX_LOSS_RATE - MIN_LOSS_RATE)
    if damage.kind == "packets":
        lost = np.array(draws) < rate
    else:
        to_good = 1 / BURST_PACKETS
        to_bad = to_good * rate / (1 - rate)
        lost = np.zeros(num_packets, dtype=bool)
        bad = state_draw < rate
        for number, draw in enumerate(draws):
            bad = draw >= to_good if bad else draw < to_bad
            lost[number] = bad
    starts = (np.arange(num_packets) - place_draw) * length_ms
    reaching = (starts + length_ms > 0) & (starts < patch_ms)
    if not (lost & reaching).any():
        lost[np.flatnonzero(reaching)[int(state_draw * reaching.sum())]] = True
    return starts[lost & reaching], length_ms


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


def draw_lost_samples(
    num_samples: int, sample_rate: int, seed: int, *identity: int, damage: Damage
) -> NDArray[np.bool_]:
    """The samples of a waveform that are lost; in the same words as the frames of a patch.

    `packets` and `bursts` draw one rate of loss for the whole waveform. `gap` makes one gap in each second (or in four
    times its longest length), in the inner half of it, so that half a second of sound is left between gaps.

    Args:
        num_samples: n.
        sample_rate: Hz.
        seed: any integer >= 0.
        identity: what is damaged.
        damage: any kind but frames, which are none of a waveform's.

    Returns:
        lost, (n,) bool; all False where a gap does not fit into the waveform four times.

    Raises:
        ValueError: the damage is `frames`.
    """
    if damage.kind == "frames":
        raise ValueError("a waveform has no frames to lose; give packets, bursts or gap")
    per_ms = sample_rate / 1e3
    lost = np.zeros(num_samples, dtype=bool)
    if damage.kind != "gap":
        starts, length_ms = _draw_stretches(damage, num_samples / per_ms, seed, *identity)
        for start in starts:
            lost[max(round(start * per_ms), 0) : round((start + length_ms) * per_ms)] = True
        return lost
    stretch_ms = max(GAP_EVERY_MS, 4 * damage.longest_ms)
    for number in range(max(int(num_samples / per_ms / stretch_ms), 1)):
        (place,), length_ms = _draw_stretches(damage, stretch_ms / 2, seed, *identity, number)
        start = round((number * stretch_ms + stretch_ms / 4 + place) * per_ms)
        if start + (length_ms + stretch_ms / 4) * per_ms <= num_samples + 1:
            lost[start : start + max(round(length_ms * per_ms), 1)] = True
    return lost
