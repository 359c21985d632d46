"""A mono copy of a stereo recording: it gives one row, the mean or a channel, and hints at the other, which is filled.

The other row is predicted by a long filter, each bin of which counts as far as both rows have been coherent there
(Welch, 1967): instruments stand at places of their own between the loudspeakers. Shapes: n = samples.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from inpaint_ray.audio.runs import Gap, find_runs
from inpaint_ray.filling.auto import fill_from_source

TURNS = (  # of left and right to the row that the copy has, and the other: their mean, left alone, right alone
    np.array([[0.5, 0.5], [0.5, -0.5]]),
    np.array([[1.0, 0.0], [0.0, 1.0]]),
    np.array([[0.0, 1.0], [1.0, 0.0]]),
)
FRAME_S = 4096 / 44_100  # of the filter
OVERLAP = 4
DECAY_S = 0.1  # in which the weight of the surroundings falls to 1 / e
RIDGE = 1e-6  # share of the mean power of the bins

Signal = NDArray[np.float64]
Mask = NDArray[np.bool_]


def add_other_row(
    window: Signal,
    missing: Mask,
    turn: Signal,
    row: Signal,
    row_db: tuple[float, float],
    begin: int,
    end: int,
    rate: int,
) -> tuple[Signal, tuple[float, float]]:
    """Fill both channels around a gap of which one row has been filled.

    Args:
        window: (2, n) the recording around the gap.
        missing: (2, n) where it is lost.
        turn: one of `TURNS`.
        row: (n,) the first row, filled.
        row_db: its SNR before and after the gap, by what was fitted on the other side.
        begin: of the gap, in the window.
        end: one past its last.
        rate: of samples, in Hz.

    Returns:
        The channels, (2, n), and the SNR of both together on either side, by what was fitted on the other.
    """
    lost: Mask = np.logical_or.reduce(missing, axis=0)
    other = np.where(lost, 0.0, turn[1] @ window)
    place = np.arange(len(lost))
    weight = np.where(lost, 0.0, np.exp(-np.maximum(begin - place, place - end + 1) / (DECAY_S * rate)))
    sides: list[Mask] = [place < begin, place >= end]
    one_lost = not missing[:, begin:end].all(axis=0).any()  # then the other channel tells it
    shares = []
    for side, opposite, ratio in zip(sides, sides[::-1], row_db, strict=True):
        here = np.where(side, weight, 0.0)
        left = 0.0 if one_lost else here @ (other - predict(row, other, np.where(opposite, weight, 0.0), rate)) ** 2
        own, power = here @ row**2, here @ other**2
        shares.append(float((own + power + 1e-20) / (own * 10 ** (-ratio / 10) + min(left, power) + 1e-20)))
    predicted = predict(row, other, weight, rate)
    rows = np.stack([row, other])
    holes = [Gap(1, int(start), int(stop)) for start, stop in zip(*find_runs(lost), strict=True)]
    fill_from_source(rows, np.stack([row, predicted]), 0, holes, rate)
    made = np.linalg.inv(turn) @ rows
    for channel in (0, 1):
        alone = missing[channel] & ~missing[1 - channel]
        if turn[0, channel] and alone.any():
            made[channel, alone] = ((row - turn[0, 1 - channel] * window[1 - channel]) / turn[0, channel])[alone]
    return made, (10 * float(np.log10(shares[0])), 10 * float(np.log10(shares[1])))


def predict(source: Signal, target: Signal, weight: Signal, rate: int) -> Signal:
    """Predict a row from another, (n,), by how they went together where the weight, (n,), is above zero."""
    size = round(FRAME_S * rate) // 2 * 2
    window = np.hanning(size)
    own = other = np.zeros(size // 2 + 1)
    crossed = np.zeros(size // 2 + 1, np.complex128)
    total = squares = 0.0
    for first, share in _frames(weight, size):
        one, two = (np.fft.rfft(window * each[first : first + size]) for each in (source, target))
        own = own + share * np.abs(one) ** 2
        other = other + share * np.abs(two) ** 2
        crossed = crossed + share * two * one.conj()
        total, squares = total + share, squares + share**2
    count = total**2 / max(squares, 1e-20) / 2  # independent frames: half of those that overlap so much
    if count <= 1:
        return np.zeros_like(source)
    coherence = np.abs(crossed) ** 2 / (own * other + 1e-20)
    by_chance = 1 / count  # coherence of what has nothing in common
    real = np.clip((coherence - by_chance) / (1 - by_chance) / np.maximum(coherence, 1e-9), 0, 1)
    response = real * crossed / (own + RIDGE * own.mean() + 1e-12)
    taps = np.roll(np.fft.irfft(response), size // 2) * np.hanning(size + 1)[:size]
    return np.asarray(fftconvolve(source, taps)[size // 2 : size // 2 + len(source)])


def _frames(weight: Signal, size: int) -> Iterator[tuple[int, float]]:
    """Yield the first sample and the weight of each frame that is wholly known."""
    known = np.concatenate([[0], np.cumsum(weight > 0)])
    for first in range(0, len(weight) - size + 1, size // OVERLAP):
        if known[first + size] - known[first] == size:
            yield first, float(weight[first + size // 2])
