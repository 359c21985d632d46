"""Damage for training and tests: drawn from a seed and the identity of what is damaged, the same on any machine."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.draws import Identity, raw_draws, unit_draws
from inpaint_ray.audio.grid import FRAME_S, HOP_S
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
    """A kind of loss of the frames of a patch, as given by a flag: KIND, KIND:MS or KIND:MS-MS.

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
        """Parse the value of --damage.

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
    """Parse several kinds of damage for patches.

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
    seed: int, *identity: Identity, num_frames: int = 128, damage: tuple[Damage, ...] = FRAMES
) -> NDArray[np.bool_]:
    """Draw the lost frames of a patch, or of each of P patches.

    Args:
        seed: any integer >= 0.
        identity: what is damaged: track_id and patch, and the epoch where damage is new in every epoch; numbers, or
            (P,) of them.
        num_frames: T.
        damage: how; of several, each patch draws one.

    Returns:
        lost, (T,) or (P, T) bool, with at least one True for each patch.
    """
    if len(damage) == 1:
        return _draw_frames_of(damage[0], seed, *identity, num_frames=num_frames)
    which = raw_draws(seed, *identity, len(damage), count=1)[..., 0] % np.uint64(len(damage))
    lost = np.empty((*which.shape, num_frames), dtype=bool)
    for number, one in enumerate(damage):
        chosen = which == number
        if chosen.any():
            parts = (part[chosen] if isinstance(part, np.ndarray) else part for part in identity)
            lost[chosen] = _draw_frames_of(one, seed, *parts, num_frames=num_frames)
    return lost


def _draw_frames_of(damage: Damage, seed: int, *identity: Identity, num_frames: int) -> NDArray[np.bool_]:
    if damage.kind == "frames":
        return _draw_frames(seed, *identity, num_frames=num_frames)
    hop_ms, frame_ms = 1e3 * HOP_S, 1e3 * FRAME_S
    patch_ms = (num_frames - 1) * hop_ms + frame_ms
    starts, lost, length_ms = _draw_stretches(damage, patch_ms, seed, *identity)
    frame_starts = hop_ms * np.arange(num_frames)[:, None]
    starts, stops = starts[..., None, :], (starts + length_ms[..., None])[..., None, :]  # against (..., T, stretches)
    touched = (frame_starts < stops) & (frame_starts + frame_ms > starts) & lost[..., None, :]
    return np.logical_or.reduce(touched, axis=-1)


def _draw_frames(seed: int, *identity: Identity, num_frames: int) -> NDArray[np.bool_]:
    """The reference's damage: the count is uniform from floor(0.1 T) to floor(0.7 T) - 1, both included (12 to 88)."""
    draws = raw_draws(seed, *identity, count=num_frames + 1)
    fewest, most = int(MIN_LOST_SHARE * num_frames), int(MAX_LOST_SHARE * num_frames) - 1
    num_lost = fewest + (draws[..., :1] % np.uint64(most - fewest + 1)).astype(np.int64)
    last = np.take_along_axis(np.sort(draws[..., 1:], axis=-1), num_lost - 1, axis=-1)
    lost: NDArray[np.bool_] = draws[..., 1:] <= last
    return lost


def _draw_stretches(
    damage: Damage, patch_ms: float, seed: int, *identity: Identity
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Draw stretches of the signal: their beginnings in ms from the patch's, which are lost, and their length.

    Returns:
        (..., stretches), (..., stretches) bool, (...) in ms.
    """
    num_packets = int(patch_ms / damage.shortest_ms) + 2  # the first and last may reach over the edges
    drawn = unit_draws(seed, *identity, count=4 + num_packets)
    length_draw, place_draw, rate_draw, state_draw = (drawn[..., column, None] for column in range(4))
    draws = drawn[..., 4:]
    length_ms = damage.shortest_ms + length_draw * (damage.longest_ms - damage.shortest_ms)
    if damage.kind == "gap":
        starts = place_draw * np.maximum(patch_ms - length_ms, 0.0)
        return starts, np.ones_like(starts, dtype=bool), length_ms[..., 0]
    rate = MIN_LOSS_RATE + rate_draw * (MAX_LOSS_RATE - MIN_LOSS_RATE)
    lost = draws < rate if damage.kind == "packets" else _draw_bursts(rate[..., 0], state_draw[..., 0], draws)
    starts = (np.arange(num_packets) - place_draw) * length_ms
    reaching = (starts + length_ms > 0) & (starts < patch_ms)
    place = (state_draw * reaching.sum(axis=-1, keepdims=True)).astype(np.int64)  # of what is lost where nothing is
    instead = reaching & (reaching.cumsum(axis=-1) == place + 1)
    lost = np.where((lost & reaching).any(axis=-1, keepdims=True), lost, instead)
    return starts, lost & reaching, length_ms[..., 0]


def _draw_bursts(
    rate: NDArray[np.float64], state: NDArray[np.float64], draws: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Packets lost in bursts (Gilbert, 1960): rates and first states (...), draws (..., packets) to lost, the same."""
    to_good = 1 / BURST_PACKETS
    to_bad = to_good * rate / (1 - rate)
    lost = np.zeros(draws.shape, dtype=bool)
    bad = state < rate
    for number in range(draws.shape[-1]):
        bad = np.where(bad, draws[..., number] >= to_good, draws[..., number] < to_bad)
        lost[..., number] = bad
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
        length_draw, place_draw = unit_draws(seed, num_samples, number, count=2)
        length = max(1, int((min_gap_s + length_draw * (max_gap_s - min_gap_s)) * sample_rate))
        start = number * stretch + 1 + int(place_draw * (stretch - length - 2))
        lost[start : start + length] = True
    return lost


def draw_lost_samples(
    num_samples: int, sample_rate: int, seed: int, *identity: int, damage: Damage
) -> NDArray[np.bool_]:
    """Draw the lost samples of a waveform, described like the lost frames of a patch.

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
        starts, gone, length = _draw_stretches(damage, num_samples / per_ms, seed, *identity)
        for start in starts[gone].tolist():
            lost[max(round(start * per_ms), 0) : round((start + float(length)) * per_ms)] = True
        return lost
    stretch_ms = max(GAP_EVERY_MS, 4 * damage.longest_ms)
    for number in range(max(int(num_samples / per_ms / stretch_ms), 1)):
        starts, _, length = _draw_stretches(damage, stretch_ms / 2, seed, *identity, number)
        length_ms = float(length)
        start = round((number * stretch_ms + stretch_ms / 4 + float(starts[0])) * per_ms)
        if start + (length_ms + stretch_ms / 4) * per_ms <= num_samples + 1:
            lost[start : start + max(round(length_ms * per_ms), 1)] = True
    return lost
