"""The place of a recording in a copy, to a few hundredths of a second, by features over hours.

Excerpts of the recording are looked for in the whole copy; of their likely places the chain that goes on at the same
speed, with as few jumps as it can, is taken: what only one of the two has makes a jump. Shapes: b = bands, f = frames.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from inpaint_ray.aligning.features import Features

EXCERPT_S = 8.0
EVERY_S = 4.0  # an excerpt, at most
NUM_EXCERPTS = (8, 240)  # fewest and most
SPEEDS = (-0.014, 0.0, 0.014)  # at which an excerpt is looked for
NUM_PLACES = 4  # of an excerpt
APART_S = 0.4  # of places
LEAST_LIKENESS = 0.25  # what a place must pass to count
JUMP = 0.5  # what a jump costs, in likeness
MOST_SPEED = 0.025
SLACK_S = 0.1  # of a place
BLOCK = 2**13  # frames
QUIET = 0.1  # of the excerpt's energy: quieter places count as this loud


@dataclass(frozen=True)
class Place:
    """An excerpt of the recording and its place in the copy."""

    reference_s: float
    copy_s: float
    likeness: float  # -1 to 1


def find_chain(reference: Features, copy: Features) -> list[Place]:
    """Find the places of excerpts of the recording in the copy, in order; empty where there is none."""
    duration = reference.values.shape[1] / reference.rate
    length = round(min(EXCERPT_S, duration / 2) * reference.rate)
    last_first = reference.values.shape[1] - length  # frame that the last excerpt begins with
    if length < 2 or last_first < 0 or copy.values.shape[1] < length:
        return []
    count = int(np.clip(duration / EVERY_S, *NUM_EXCERPTS))
    search = _Search(copy, int(length * 1.02) + 2)
    nodes: list[list[Place]] = []
    for first in np.unique(np.linspace(0, last_first, count).astype(int)):
        excerpt = reference.values[:, first : first + length]
        middle = (first + (length + 1) / 2) / reference.rate
        nodes.append(search.places(excerpt, middle))
    return _chain([place for places in nodes for place in places])


class _Search:
    """A search for excerpts in the features of a copy, whose spectra are computed once."""

    def __init__(self, copy: Features, longest: int) -> None:
        self._rate, self._length = copy.rate, copy.values.shape[1]
        self._block = max(BLOCK, 2 ** int(np.ceil(np.log2(4 * longest))))
        self._hop = self._block - longest + 1
        num_blocks = -(-self._length // self._hop)
        padded = np.zeros((len(copy.values), (num_blocks - 1) * self._hop + self._block), dtype=np.float32)
        padded[:, : self._length] = copy.values
        blocks = np.lib.stride_tricks.sliding_window_view(padded, self._block, axis=1)[:, :: self._hop]
        self._spectra = np.stack([scipy.fft.rfft(band, axis=-1) for band in blocks])  # (b, blocks, block / 2 + 1)
        energy = np.sum(copy.values.astype(np.float64) ** 2, axis=0)
        self._energy = np.concatenate([[0.0], np.cumsum(energy)])

    def places(self, excerpt: NDArray[np.float32], middle_s: float) -> list[Place]:
        """Return the likely places of an excerpt, best first."""
        found: list[Place] = []
        for speed in SPEEDS:
            length = round(excerpt.shape[1] * (1 + speed))
            at = np.linspace(0, excerpt.shape[1] - 1, length)
            stretched = np.stack([np.interp(at, np.arange(excerpt.shape[1]), band) for band in excerpt])
            likeness = self._likeness(stretched.astype(np.float32))
            for best in _peaks(likeness, round(APART_S * self._rate)):
                copy_s = (best + (length + 1) / 2) / self._rate
                found.append(Place(middle_s, copy_s, float(likeness[best])))
        found.sort(key=lambda place: -place.likeness)
        kept: list[Place] = []
        for place in found:
            if all(abs(place.copy_s - other.copy_s) > APART_S for other in kept):
                kept.append(place)
        return [place for place in kept[:NUM_PLACES] if place.likeness > LEAST_LIKENESS]

    def _likeness(self, excerpt: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute the normalised correlation with every place."""
        kernel = scipy.fft.rfft(excerpt, self._block, axis=-1).conj()
        product = np.einsum("bkf,bf->kf", self._spectra, kernel)
        length = excerpt.shape[1]
        count = max(self._length - length + 1, 0)
        crossed = scipy.fft.irfft(product, self._block, axis=-1)[:, : self._hop].ravel()[:count]
        own = float(np.sum(excerpt.astype(np.float64) ** 2))
        energy = self._energy[length : length + count] - self._energy[:count]
        return np.asarray(crossed / np.sqrt(max(own, 1e-9) * np.maximum(energy, QUIET * own + 1e-9)))


def _peaks(likeness: NDArray[np.float64], apart: int) -> list[int]:
    likeness = likeness.copy()
    found: list[int] = []
    for _ in range(min(NUM_PLACES, len(likeness))):
        best = int(np.argmax(likeness))
        found.append(best)
        likeness[max(best - apart, 0) : best + apart + 1] = -np.inf
    return found


def _chain(places: list[Place]) -> list[Place]:
    """Return the chain of the greatest likeness less the costs of its jumps."""
    if not places:
        return []
    reference = np.array([place.reference_s for place in places])
    copy = np.array([place.copy_s for place in places])
    gain = np.array([place.likeness - LEAST_LIKENESS for place in places])
    best, before = gain.copy(), np.full(len(places), -1)
    for number in range(1, len(places)):
        step, moved = reference[number] - reference[:number], copy[number] - copy[:number]
        steady = np.abs(moved - step) <= MOST_SPEED * step + SLACK_S
        value = best[:number] - np.where(steady, 0.0, JUMP)
        value[(step <= 0) | (moved <= 0)] = -np.inf
        other = int(np.argmax(value))
        if value[other] > 0:
            best[number] += value[other]
            before[number] = other
    at = int(np.argmax(best))
    chain = []
    while at >= 0:
        chain.append(places[at])
        at = int(before[at])
    return chain[::-1]
