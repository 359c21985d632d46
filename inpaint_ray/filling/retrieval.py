"""Retrieval of places of a recording that sound like the surroundings of a gap, by an index at a low rate.

Music repeats: a bar, a loop, a chorus. The surroundings of a gap are compared with every place of the recording by
their normalised correlation, nearest samples weighing most, samples that are lost left out on both sides.

Shapes: c = channels, n = samples, l = samples at the low rate, k = of a gap and its surroundings, b = of a block.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.signal import resample_poly

LOW_RATE = 5_500  # Hz, about: what repeats is told by what lies below 2.7 kHz
PRE_EMPHASIS = 0.95  # else the bass alone decides
CONTEXT_S = 0.3  # on either side of a gap
DECAY_S = 0.15  # in which the weight of the surroundings falls to 1 / e
MOST_PLACES = 4
APART_S = 0.01  # of two places at least
LEAST_KNOWN = 0.5  # share of the weight that must be known at a place
FILTER_ZEROS = 10  # reach of the filter of the low rate, in its samples


@dataclass(frozen=True)
class Index:
    """A recording at a low rate, in overlapping blocks whose spectra serve every search."""

    factor: int  # samples of the recording in one of the low rate
    values: NDArray[np.float32]  # (l,) pre-emphasised mean of the channels, zero where any is lost
    known: NDArray[np.bool_]  # (l,)
    spectra: NDArray[np.complex64]  # (3, blocks, b / 2 + 1) of values, their squares, and what is known
    block: int  # b
    longest: int  # k at the most

    @property
    def hop(self) -> int:
        """Return the samples from block to block."""
        return self.block - self.longest + 1


def make_index(samples: NDArray, lost: NDArray[np.bool_], sample_rate: int, *, longest_s: float) -> Index:
    """Make the index of a recording.

    Args:
        samples: (c, n); what stands in lost samples is not looked at.
        lost: (c, n).
        sample_rate: Hz.
        longest_s: of the gaps that will be looked for.
    """
    factor = max(round(sample_rate / LOW_RATE), 1)
    low_rate = sample_rate / factor
    anywhere: NDArray[np.bool_] = np.logical_or.reduce(lost, axis=0)
    mixed = np.zeros(samples.shape[1], dtype=np.float32)
    for channel in samples:
        mixed += np.where(anywhere, 0.0, channel)
    low = resample_poly(mixed, 1, factor)
    low[1:] -= PRE_EMPHASIS * low[:-1]
    scale = float(np.sqrt(np.mean(low**2))) or 1.0
    known = _known_at(anywhere, factor, len(low))
    values = (np.where(known, low, 0) / scale).astype(np.float32)
    longest = round((2 * CONTEXT_S + longest_s) * low_rate) + 4
    block = 2 ** max(int(np.ceil(np.log2(4 * longest))), 14)
    hop = block - longest + 1
    num_blocks = max(-(-len(values) // hop), 1)
    padded = np.zeros((3, num_blocks * hop + longest - 1), dtype=np.float32)
    padded[:, : len(values)] = values, values**2, known
    blocks = np.lib.stride_tricks.sliding_window_view(padded, block, axis=1)[:, ::hop]
    spectra = np.stack([scipy.fft.rfft(np.ascontiguousarray(part), axis=-1) for part in blocks])
    return Index(factor, values, known, spectra, block, longest)


def find_places(index: Index, start: int, stop: int, sample_rate: int) -> list[int]:
    """Find the shifts from a gap to places that sound like its surroundings, in samples of the recording; best first.

    No place is given whose own part of the gap is lost or lies outside.

    Args:
        index: of the recording.
        start: first sample of the gap.
        stop: one past its last.
        sample_rate: Hz.
    """
    low_rate = sample_rate / index.factor
    context = round(CONTEXT_S * low_rate)
    gap = (start // index.factor, -(-stop // index.factor))
    first, last = max(gap[0] - context, 0), min(gap[1] + context, len(index.values))
    place = np.arange(first, last)
    distance = np.maximum(gap[0] - place, place - gap[1] + 1)
    weight = np.where(distance > 0, np.exp(-distance / (DECAY_S * low_rate)), 0) * index.known[first:last]
    target = index.values[first:last]
    kernels = np.stack([weight * target, weight, weight * target**2]).astype(np.float32)
    if not kernels[2].any() or last - first > index.longest:
        return []
    spectra = scipy.fft.rfft(kernels, index.block, axis=-1).conj()
    crossed, power, shared = (
        scipy.fft.irfft(index.spectra[number] * spectra[number], index.block, axis=-1)[:, : index.hop].ravel()
        for number in range(3)
    )
    num_places = len(index.values) - (last - first) + 1
    crossed, power, shared = crossed[:num_places], power[:num_places], shared[:num_places]
    whole, floor = float(kernels[2].sum()), 1e-4 * float(weight.sum())
    likeness = crossed / np.sqrt(np.maximum(power, floor) * np.maximum(shared, LEAST_KNOWN * whole))
    num_known = np.concatenate([[0], np.cumsum(index.known)])
    inside = gap[0] - first, gap[1] - first
    at = np.arange(num_places)
    whole_gap = num_known[at + inside[1]] - num_known[at + inside[0]] == gap[1] - gap[0]
    likeness[~whole_gap | (shared < LEAST_KNOWN * whole)] = 0.0
    return [(best - first) * index.factor for best in _peaks(likeness, max(round(APART_S * low_rate), 1))]


def _known_at(anywhere: NDArray[np.bool_], factor: int, length: int) -> NDArray[np.bool_]:
    """Mark samples of the low rate whose filter reaches no lost sample: (l,)."""
    count = np.concatenate([[0], np.cumsum(anywhere)])
    centre = np.arange(length) * factor
    reach = (FILTER_ZEROS + 1) * factor  # and the sample before, for the pre-emphasis
    first, last = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, len(anywhere))
    return count[last] == count[first]


def _peaks(likeness: NDArray[np.float32], apart: int) -> list[int]:
    """Return the highest peaks that are at least a distance apart."""
    likeness = likeness.copy()
    found: list[int] = []
    for _ in range(MOST_PLACES):
        best = int(np.argmax(likeness)) if len(likeness) else 0
        if not len(likeness) or likeness[best] <= 0:
            break
        found.append(best)
        likeness[max(best - apart, 0) : best + apart + 1] = 0.0
    return found
