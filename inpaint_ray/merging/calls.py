"""The Python call: a recording and its copies in, the merged recording out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.aligning.alignment import Alignment, align
from inpaint_ray.audio.runs import Event, join_events
from inpaint_ray.filling.calls import restorer_of
from inpaint_ray.filling.waveform import Effort, Fill, Method
from inpaint_ray.finding.registry import SENSITIVITY
from inpaint_ray.merging.copies import Copy
from inpaint_ray.merging.offers import fill_with_offers
from inpaint_ray.merging.taking import OfferFinder
from inpaint_ray.models.checkpoint import load_checkpoint
from inpaint_ray.repairing import BLOCK, fill_events, find


@dataclass(frozen=True)
class Transfer:
    """Another transfer of a recording."""

    samples: NDArray  # (channels, n) or (n,) float32 or float64; as many or fewer channels than the recording, or more
    sample_rate: int  # Hz
    events: Sequence[Event] | None = None  # its own damage; None where it is to be found
    name: str = ""  # in notes; "copy 1" and so on without one


@dataclass(frozen=True)
class Merged:
    """A recording with its lost stretches taken over or filled."""

    samples: NDArray  # the shape and dtype of the recording
    notes: list[Fill]  # `CopyFill` of what a copy had, by channel and start
    alignments: dict[str, Alignment]  # of every copy by name, refused ones too


def merge(
    samples: NDArray,
    sample_rate: int,
    copies: Sequence[Transfer | tuple[NDArray, int]],
    kinds: Sequence[str] = ("dropouts",),
    sensitivity: float = SENSITIVITY,
    *,
    events: Sequence[Event] | None = None,
    method: Method = "auto",
    effort: Effort = "normal",
    checkpoint: str | Path | None = None,
) -> Merged:
    """Take lost samples from other copies of a recording, and fill what all have lost; only samples of events differ.

    Args:
        samples: (channels, n) or (n,) float32 or float64, full scale 1: the reference.
        sample_rate: Hz.
        copies: other transfers, or their samples and rates. One that is not the same performance is refused: see
            `Merged.alignments`.
        kinds: what is looked for where events are not given; see `find`.
        sensitivity: see `find`.
        events: of the reference, in place of those that are found.
        method: how is filled what no copy has; see `inpaint`.
        effort: see `inpaint`.
        checkpoint: see `inpaint`.

    Raises:
        ValueError: an argument of the wrong shape, dtype or value, or no copy.
        CheckpointError: the checkpoint cannot be read.
    """
    if not copies:
        raise ValueError("copies: give at least one other transfer, or use repair")
    rows = np.atleast_2d(samples)
    found = list(find(samples, sample_rate, kinds, sensitivity) if events is None else events)
    accepted: list[Copy] = []
    alignments: dict[str, Alignment] = {}
    for number, given in enumerate(copies, start=1):
        transfer = given if isinstance(given, Transfer) else Transfer(*given)
        name = transfer.name or f"copy {number}"
        if name in alignments:
            raise ValueError(f"copies: two are named {name}")
        other = np.atleast_2d(transfer.samples)
        own = transfer.events
        if own is None:
            own = find(other, transfer.sample_rate, kinds, sensitivity)
        alignments[name] = align(
            partial(_blocks, rows),
            sample_rate,
            partial(_blocks, other),
            transfer.sample_rate,
            reference_lost=spans_of(found),
            copy_lost=spans_of(own),
        )
        if alignments[name].accepted:
            copy = Copy(name, partial(_blocks, other), transfer.sample_rate, join_events(own), alignments[name])
            accepted.append(copy)
    offers = OfferFinder(accepted, sample_rate).offers(rows, found, 0, 0, rows.shape[1])
    model = None if checkpoint is None else restorer_of(load_checkpoint(checkpoint))

    def fill(taken: NDArray, left: list[Event]) -> tuple[NDArray, list[Fill]]:
        return fill_events(taken, sample_rate, left, method=method, effort=effort, restore_magnitudes=model)

    merged, notes = fill_with_offers(rows, found, offers, fill)
    return Merged(merged.reshape(samples.shape), notes, alignments)


def spans_of(events: Sequence[Event]) -> list[tuple[int, int]]:
    """Return the stretches in which any channel is damaged, in order."""
    return [(event.start, event.stop) for event in join_events(event._replace(channel=0) for event in events)]


def _blocks(samples: NDArray) -> Iterator[NDArray]:
    return (samples[:, first : first + BLOCK] for first in range(0, samples.shape[1], BLOCK))
