"""A signal between its samples, and excerpts of a stream.

Shapes: c = channels, n = samples, m = positions.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Blocks = Callable[[], Iterator[NDArray]]  # reads a recording from its beginning: consecutive (c, n) float blocks

ZEROS = 32  # of the sinc on either side, where samples are taken over
FEW_ZEROS = 12  # where delays are measured
BETA = 9.0  # of the Kaiser window: side lobes 90 dB down
PHASES = 512  # of the table, which is interpolated linearly: errors 100 dB down
AT_ONCE = 2**10  # positions: their weights stay in the cache
PASSED = 0.95  # share of the lower Nyquist frequency that a lowered rate keeps

Signal = NDArray[np.float64]
Made = TypeVar("Made")
Finish = Callable[[int, NDArray[np.float32]], Made]


def sample_at(samples: NDArray, positions: Signal, cutoff: float = 1.0, zeros: int = ZEROS) -> Signal:
    """Interpolate a signal by a windowed sinc (Smith, 2002); what lies outside it is zero.

    Args:
        samples: (c, n).
        positions: (m,) in samples, at whatever distances.
        cutoff: share of the Nyquist frequency that is kept, for positions farther apart than samples.
        zeros: of the sinc on either side.

    Returns:
        (c, m).
    """
    reach = int(np.ceil(zeros / cutoff))
    table = _table(cutoff, reach)
    made = np.zeros((len(samples), len(positions)))
    taps = np.arange(-reach + 1, reach + 1)
    for first in range(0, len(positions), AT_ONCE):
        part = positions[first : first + AT_ONCE]
        whole = np.floor(part).astype(np.int64)
        phase = (part - whole) * PHASES
        row = phase.astype(np.int64)
        rest = (phase - row)[:, None]
        weight = table[row] * (1 - rest) + table[row + 1] * rest  # (m, 2 reach)
        begin, end = int(whole.min()) - reach + 1, int(whole.max()) + reach + 1
        piece = cut(samples, begin, end)
        made[:, first : first + len(part)] = np.einsum("cmt,mt->cm", piece[:, whole[:, None] - begin + taps], weight)
    return made


def cut(samples: NDArray, start: int, stop: int) -> Signal:
    """A stretch of a signal, zero outside of it: (c, stop - start)."""
    made = np.zeros((len(samples), max(stop - start, 0)))
    first, last = max(start, 0), min(stop, samples.shape[1])
    if first < last:
        made[:, first - start : last - start] = samples[:, first:last]
    return made


def lowering(rate: float, wanted_rate: float) -> float:
    """The cutoff for another rate."""
    return min(1.0, PASSED * wanted_rate / rate) if wanted_rate < rate else 1.0


def gather(blocks: Iterator[NDArray], spans: Sequence[tuple[int, int]], finish: Finish[Made]) -> list[Made]:
    """Make something of the mean of the channels in each of many stretches of a stream, which is read once.

    Args:
        blocks: consecutive (c, n) float blocks.
        spans: in samples, in any order; they may overlap and lie outside, where they are zero.
        finish: is given the number of a stretch and its sound, (stop - start,), of which only what it makes is kept.
    """
    made: dict[int, Made] = {}
    waiting = sorted(range(len(spans)), key=lambda number: spans[number][0], reverse=True)
    active: dict[int, NDArray[np.float32]] = {}
    first = 0
    for block in blocks:
        last = first + block.shape[1]
        while waiting and spans[waiting[-1]][0] < last:
            active[waiting[-1]] = _silence(spans[waiting[-1]])
            waiting.pop()
        if active:
            mono = np.nan_to_num(block.mean(axis=0), posinf=0.0, neginf=0.0)
            for number, sound in list(active.items()):
                start, stop = spans[number]
                begin, end = max(start, first), min(stop, last)
                if begin < end:
                    sound[begin - start : end - start] = mono[begin - first : end - first]
                if stop <= last:
                    made[number] = finish(number, active.pop(number))
        if not active and not waiting:
            break
        first = last
    for number in (*active, *waiting):
        made[number] = finish(number, active.get(number, _silence(spans[number])))
    return [made[number] for number in range(len(spans))]


def _silence(span: tuple[int, int]) -> NDArray[np.float32]:
    return np.zeros(span[1] - span[0], dtype=np.float32)


@lru_cache(maxsize=16)
def _table(cutoff: float, reach: int) -> Signal:
    """Weights of the samples around a position, by its phase: (PHASES + 2, 2 reach)."""
    phase = np.arange(PHASES + 2)[:, None] / PHASES
    distance = np.arange(-reach + 1, reach + 1) - phase
    window = np.i0(BETA * np.sqrt(np.maximum(1 - (distance / reach) ** 2, 0))) / np.i0(BETA)
    weight = cutoff * np.sinc(cutoff * distance) * window
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float64)
