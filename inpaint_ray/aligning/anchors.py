"""Moments of a recording found in a copy by their waveforms, to a fraction of a millisecond, at the right speed.

Shapes: n = samples at the low rate, l = lags.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from inpaint_ray.aligning.sampling import FEW_ZEROS, lowering, sample_at

LOW_RATE = 5_500.0  # Hz
WINDOW_S = 0.36
REACH_S = 0.12  # to either side of the expected place
SPEED_REACH, SPEED_STEP = 0.006, 0.0015
MOST_SPEED = 0.025
PRE_EMPHASIS = 0.95

Signal = NDArray[np.float64]


@dataclass(frozen=True)
class Guess:
    """A moment and where it is expected in the copy."""

    reference_s: float
    copy_s: float
    speed: float  # seconds of the copy in one of the recording, less 1

    def spans(self, reference_rate: int, copy_rate: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """The stretches of both that are needed, in samples."""
        own = WINDOW_S / 2 + 0.01
        other = (WINDOW_S / 2 + REACH_S) * (1 + 2 * MOST_SPEED) + 0.01
        return _span(self.reference_s, own, reference_rate), _span(self.copy_s, other, copy_rate)


@dataclass(frozen=True)
class Anchor:
    """A moment and its place in the copy."""

    reference_s: float
    copy_s: float
    speed: float
    likeness: float  # normalised correlation, 0 to 1; of either polarity


def lower_reference(guess: Guess, sound: NDArray[np.float32], rate: int) -> Signal:
    """The recording around a moment at the low rate, (n,), of the stretch that `guess.spans` tells, zero where lost."""
    (own, _), _ = guess.spans(rate, rate)
    positions = np.asarray((guess.reference_s + _times()) * rate - own, np.float64)
    return _emphasised(sample_at(sound[None], positions, lowering(rate, LOW_RATE), FEW_ZEROS)[0])


def lower_copy(guess: Guess, sound: NDArray[np.float32], rate: int) -> Signal:
    """The copy around the place of a moment at the low rate, (1, n), of the stretch that `guess.spans` tells."""
    _, (other, _) = guess.spans(rate, rate)
    first = _first(guess)
    num_low = round(2 * (guess.copy_s - first) * LOW_RATE * (1 + MOST_SPEED))
    positions = np.asarray((first + np.arange(num_low) / LOW_RATE) * rate - other, np.float64)
    return sample_at(sound[None], positions, lowering(rate, LOW_RATE), FEW_ZEROS)


def find_anchor(guess: Guess, reference: Signal, copy: Signal) -> Anchor:
    """Find a moment in the copy.

    Args:
        guess: where it is expected.
        reference: from `lower_reference`.
        copy: from `lower_copy`.
    """
    length, reach = round(WINDOW_S * LOW_RATE), round(REACH_S * LOW_RATE)
    target = reference * np.hanning(length)
    best = Anchor(guess.reference_s, guess.copy_s, guess.speed, 0.0)
    lags = np.asarray(np.arange(-reach, length + reach) - (length - 1) / 2, np.float64)
    for speed in _speeds(guess.speed):
        at = (guess.copy_s - _first(guess)) * LOW_RATE + lags * (1 + speed)
        likeness = _likeness(target, _emphasised(sample_at(copy, at, zeros=FEW_ZEROS)[0]))
        lag, value = _peak(likeness)
        if value > best.likeness:
            copy_s = guess.copy_s + (1 + speed) * (lag - reach) / LOW_RATE
            best = Anchor(guess.reference_s, copy_s, speed, value)
    return best


def _times() -> Signal:
    """The samples of a window at the low rate, in seconds from its middle."""
    length = round(WINDOW_S * LOW_RATE)
    return np.asarray((np.arange(length) - (length - 1) / 2) / LOW_RATE)


def _first(guess: Guess) -> float:
    """The beginning of the copy at the low rate, in seconds of the copy."""
    return float(guess.copy_s - _times()[-1] - REACH_S - FEW_ZEROS / LOW_RATE)


def _span(middle_s: float, half_s: float, rate: int) -> tuple[int, int]:
    return int(np.floor((middle_s - half_s) * rate)), int(np.ceil((middle_s + half_s) * rate))


def _speeds(expected: float) -> list[float]:
    steps = round(SPEED_REACH / SPEED_STEP)
    tried = [expected + step * SPEED_STEP for step in range(-steps, steps + 1)]
    return [speed for speed in tried if abs(speed) <= MOST_SPEED]


def _emphasised(signal: Signal) -> Signal:
    return signal - PRE_EMPHASIS * np.concatenate([[0.0], signal[:-1]])


def _likeness(target: Signal, other: Signal) -> Signal:
    """The normalised correlation of (n,) with every place in (n + l - 1,): (l,)."""
    size = scipy.fft.next_fast_len(len(other), real=True)
    crossed = scipy.fft.irfft(scipy.fft.rfft(target, size).conj() * scipy.fft.rfft(other, size), size)
    count = len(other) - len(target) + 1
    weight = np.hanning(len(target)) ** 2
    energy = scipy.fft.irfft(scipy.fft.rfft(weight, size).conj() * scipy.fft.rfft(other**2, size), size)[:count]
    own = float(target @ target)
    return np.asarray(crossed[:count] / np.sqrt(max(own, 1e-20) * np.maximum(energy, 1e-3 * own + 1e-20)))


def _peak(likeness: Signal) -> tuple[float, float]:
    """Place and height of the highest peak of either sign, between samples by a parabola."""
    size = np.abs(likeness)
    best = int(np.argmax(size))
    if not 0 < best < len(size) - 1:
        return float(best), float(size[best])
    before, top, after = (float(value) for value in size[best - 1 : best + 2])
    bend = before - 2 * top + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return best + shift, top
