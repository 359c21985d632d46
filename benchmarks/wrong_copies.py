"""Scores of wrong copies, which must be refused, beside those of right ones: benchmarks.merge refuse."""

import zlib
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.transfers import conditions, list_recordings, other_key, other_take
from inpaint_ray.aligning.alignment import THRESHOLD, Alignment, align

BLOCK = 2**18
SEMITONES = (-2, -1, 1, 2)
KINDS = ("another piece", "another key", "another take")

Signal = NDArray[np.float64]


def refuse(folders: list[Path], half: str, limit: int, count: int) -> None:
    """Print the scores of so many wrong copies, and of about as many right ones."""
    recordings = list(list_recordings(folders, half, limit))
    wrong, right = defaultdict(list), defaultdict(list)
    for number in range(count):
        kind, own = KINDS[number % len(KINDS)], (number // len(KINDS)) % len(recordings)
        turn = number // (len(KINDS) * len(recordings))  # of the recordings: the next one meets others
        name, clean, rate = recordings[own]
        copy_name, copy, copy_rate = name, clean, rate
        if kind == "another piece":
            copy_name, copy, copy_rate = recordings[(own + 1 + turn) % len(recordings)]
        elif kind == "another key":
            copy = other_key(clean, SEMITONES[(own + turn) % len(SEMITONES)])
        else:
            copy = other_take(clean, rate, np.random.default_rng(number))
        found = _aligned(clean, rate, copy, copy_rate)
        wrong[kind].append(found)
        print(f"{number + 1} {kind} of {name} ({copy_name}): {found.score:.3f}", flush=True)
    for number, (condition, name, clean, rate) in enumerate(_each_condition(recordings, count)):
        random = np.random.default_rng(zlib.crc32(f"{name} {condition}".encode()))
        transfer = conditions(rate)[condition](clean, rate, random)
        found = _aligned(clean, rate, transfer.samples, transfer.sample_rate)
        right[condition].append(found)
        print(f"{number + 1} {condition} of {name}: {found.score:.3f}", flush=True)
    for kind, alignments in wrong.items():
        refused = sum(not each.accepted for each in alignments)
        print(f"{kind}: {refused} of {len(alignments)} refused; scores {_quantiles(alignments)}")
    for condition, alignments in right.items():
        accepted = sum(each.accepted for each in alignments)
        print(f"{condition}: {accepted} of {len(alignments)} accepted; scores {_quantiles(alignments)}")
    for label, groups in (("wrong", wrong), ("right", right)):
        everyone = [each for alignments in groups.values() for each in alignments]
        accepted = sum(each.accepted for each in everyone)
        print(f"{label}: {accepted} of {len(everyone)} accepted at {THRESHOLD:g}; scores {_quantiles(everyone)}")


def blocks_of(samples: Signal) -> Iterator[NDArray]:
    """A recording in blocks."""
    return (samples[:, first : first + BLOCK] for first in range(0, samples.shape[1], BLOCK))


def _aligned(clean: Signal, rate: int, copy: Signal, copy_rate: int) -> Alignment:
    return align(partial(blocks_of, clean), rate, partial(blocks_of, copy), copy_rate)


def _each_condition(recordings: list[tuple[str, Signal, int]], count: int) -> Iterator[tuple[str, str, Signal, int]]:
    """Yield a condition and a recording, so many times, every condition about as often."""
    for number in range(count):
        name, clean, rate = recordings[number % len(recordings)]
        names = list(conditions(rate))
        yield names[(number + number // len(recordings)) % len(names)], name, clean, rate


def _quantiles(alignments: list[Alignment]) -> str:
    """The least, the quartiles and the greatest of scores."""
    scores = [each.score for each in alignments]
    return ", ".join(f"{each:.2f}" for each in np.quantile(scores, (0, 0.25, 0.5, 0.75, 1)))
