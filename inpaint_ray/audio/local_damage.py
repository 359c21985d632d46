"""Seven kinds of local damage, made for training, tests and benchmarks, with the true mask of what is damaged.

Shapes: c = channels, n = samples of each.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
Kind = Literal["clicks", "crackle", "scratches", "held", "interpolated", "muted", "clipping"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FULL_SCALE = 2**15  # steps of 16 bits, to which everything is rounded
A_SECOND = {"clicks": 7, "crackle": 290, "scratches": 2, "held": 2.5, "interpolated": 2.5, "muted": 3}  # events
LOCAL_S = 0.02  # of sound whose RMS level the level of an event refers to
SHARED = 0.6  # share of the events of stereo that both channels have
CUT = 0.015  # of an event's peak: where it ends
HISS_DB = (-70.0, -45.0)  # RMS of the noise bed, full scale 0 dB


def add_hiss(samples: Signal, random: np.random.Generator) -> Signal:
    """Add a bed of white noise, so that the empty top octaves of lossy music give no detector a present: (c, n)."""
    return samples + 10 ** (random.uniform(*HISS_DB) / 20) * random.standard_normal(samples.shape)


def round_to_16_bits(samples: NDArray) -> Signal:
    """Round to the steps of 16 bits and clip to their range."""
    return np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1) / FULL_SCALE


def damage_locally(
    clean: Signal, sample_rate: int, kind: Kind, random: np.random.Generator, *, density: float = 1.0
) -> tuple[Signal, NDArray[np.bool_]]:
    """Damage a recording.

    Args:
        clean: (c, n) rounded to 16 bits.
        sample_rate: Hz.
        kind: of the damage.
        random: what is drawn follows from it alone.
        density: events, as a multiple of `A_SECOND`.

    Returns:
        The damaged samples, rounded to 16 bits, and the samples that damage reached; both (c, n).
    """
    if kind == "clipping":
        return _clip(clean, random)
    damaged, lost = clean.copy(), np.zeros(clean.shape, dtype=bool)
    num_samples = clean.shape[1]
    margin = min(round(0.05 * sample_rate), num_samples // 4)
    count = random.poisson(A_SECOND[kind] * density * num_samples / sample_rate)
    for start in np.sort(random.integers(margin, max(num_samples - margin, margin + 1), count)).tolist():
        chosen = np.arange(len(clean)) if random.random() < SHARED else np.array([random.integers(len(clean))])
        if kind in ("held", "interpolated", "muted"):
            _replace(damaged, lost, chosen, start, sample_rate, kind, random)
        else:
            _add(clean, damaged, lost, chosen, start, sample_rate, kind, random)
    return round_to_16_bits(damaged), lost


def _replace(
    damaged: Signal,
    lost: NDArray[np.bool_],
    channels: NDArray[np.int64],
    start: int,
    rate: int,
    kind: Kind,
    random: np.random.Generator,
) -> None:
    """Hold, interpolate or mute a stretch that touches no other."""
    shortest, longest = (5e-4, 0.02) if kind == "muted" else (2e-4, 5e-3)
    length = max(round(np.exp(random.uniform(np.log(shortest), np.log(longest))) * rate), 3)
    stop = start + length
    if stop + 2 > damaged.shape[1] or lost[channels, start - 2 : stop + 2].any():
        return
    dithered = random.random() < 1 / 3
    for channel in channels:
        before, after = damaged[channel, start - 1], damaged[channel, stop]
        if kind == "held":
            damaged[channel, start:stop] = before
        elif kind == "interpolated":
            damaged[channel, start:stop] = np.linspace(before, after, length + 2)[1:-1]
        else:
            damaged[channel, start:stop] = random.integers(-1, 2, length) / FULL_SCALE if dithered else 0.0
        lost[channel, start:stop] = True


def _add(
    clean: Signal,
    damaged: Signal,
    lost: NDArray[np.bool_],
    channels: NDArray[np.int64],
    start: int,
    rate: int,
    kind: Kind,
    random: np.random.Generator,
) -> None:
    """Add an event to some channels, at levels of their own."""
    shape = _SHAPES[kind](rate, random)
    shape = shape / np.abs(shape).max()
    ends = np.flatnonzero(np.abs(shape) > CUT)
    shape = shape[ends[0] : ends[-1] + 1][: clean.shape[1] - start]
    low, high = {"clicks": (-10, 20), "crackle": (-20, 3), "scratches": (0, 15)}[kind]
    level_db = random.uniform(low, high)
    reach = round(LOCAL_S * rate / 2)
    for channel in channels:
        around = clean[channel, max(start - reach, 0) : start + reach]
        level = np.sqrt(np.mean(around**2)) + 2 / FULL_SCALE
        own_db = level_db + (random.uniform(-6, 0) if len(channels) > 1 else 0.0)
        damaged[channel, start : start + len(shape)] += level * 10 ** (own_db / 20) * shape
        lost[channel, start : start + len(shape)] = True


def _click(rate: int, random: np.random.Generator) -> Signal:
    """Return an impulse, a resonance, a bipolar pulse or a decaying step."""
    form, sign = random.integers(4), random.choice([-1.0, 1.0])
    time = np.arange(round(0.01 * rate)) / rate
    if form == 0:
        return random.uniform(0.3, 1, random.integers(1, 5)) * random.choice([-1, 1], 4)[:1]
    if form == 1:
        hertz, decay = random.uniform(800, min(8000, 0.4 * rate)), np.exp(random.uniform(np.log(1e-4), np.log(8e-4)))
        return sign * np.exp(-time / decay) * np.cos(2 * np.pi * hertz * time + random.uniform(0, 2 * np.pi))
    if form == 2:
        width = np.exp(random.uniform(np.log(5e-5), np.log(4e-4)))
        place = (time[: max(round(6 * width * rate), 3)] - 3 * width) / width
        return sign * (place + 1e-3) * np.exp(-(place**2) / 2)
    return sign * np.exp(-time / np.exp(random.uniform(np.log(2e-4), np.log(1.5e-3))))


def _crackle(rate: int, random: np.random.Generator) -> Signal:
    time = np.arange(max(round(5e-4 * rate), 4)) / rate
    decay = random.uniform(1e-5, 8e-5)
    return np.exp(-time / decay) * random.uniform(-1, 1, len(time)) + np.eye(1, len(time))[0] * random.choice([-1, 1])


def _scratch(rate: int, random: np.random.Generator) -> Signal:
    """Return a burst of noise that dies away over a thump, which both end together."""
    length = round(random.uniform(0.003, 0.02) * rate)
    place = np.arange(length) / length
    noise = random.standard_normal(length) * np.exp(-random.uniform(1, 4) * place)
    thump = np.sin(2 * np.pi * random.uniform(50, 200) * length / rate * place) * np.cos(np.pi / 2 * place)
    return noise / 3 + random.uniform(0.2, 1) * random.choice([-1, 1]) * thump


_SHAPES: dict[str, Callable[[int, np.random.Generator], Signal]] = {
    "clicks": _click,
    "crackle": _crackle,
    "scratches": _scratch,
}


def _clip(clean: Signal, random: np.random.Generator) -> tuple[Signal, NDArray[np.bool_]]:
    """Clip 3 to 10 dB below the peak, so at no level that is known before, a third of the files unequally by sign."""
    peak = np.abs(clean).max()
    top = peak * 10 ** (-random.uniform(3, 10) / 20)
    bottom = top * (random.uniform(0.7, 1) if random.random() < 1 / 3 else 1.0)
    lost = (clean > top) | (clean < -bottom)
    return round_to_16_bits(np.clip(clean, -bottom, top)), lost
