"""The Python calls that find and repair damage of waveforms; know neither Ray nor storage."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.runs import Event, mark_gaps
from inpaint_ray.filling.clipped import declip
from inpaint_ray.filling.methods import Effort, Method, RestoreMagnitudes
from inpaint_ray.filling.waveform import Fill, Sources, fill_with_notes
from inpaint_ray.finding.detection import MIN_GAP_S
from inpaint_ray.finding.kinds import SENSITIVITY
from inpaint_ray.finding.registry import find_events

BLOCK = 2**18  # samples that detectors are given at a time
FLOOR_STEPS = 4  # of the samples: dither is no louder
HIGHEST_FLOOR = 4 / 2**15


def find(
    samples: NDArray,
    sample_rate: int,
    kinds: Sequence[str] = ("dropouts",),
    sensitivity: float = SENSITIVITY,
    *,
    bits: int = 16,
    lossy: bool = False,
) -> list[Event]:
    """Find the damage of a waveform.

    Args:
        samples: (channels, n) or (n,) float32 or float64, full scale 1.
        sample_rate: Hz.
        kinds: of `dropouts`, `clicks`, `clipping`, `all`; see `finding.registry.find_events`.
        sensitivity: 0 to 1; the greatest chance that an event is false.
        bits: that the samples were stored with; the dither of dropouts is sought up to four of their steps.
        lossy: they were decoded from MP3, Vorbis or Opus, which smear the edges of dropouts.

    Returns:
        The events by start and channel: channel, start, stop, kind, confidence.

    Raises:
        ValueError: an argument of the wrong shape, dtype or value.
    """
    _check(samples)
    rows = np.atleast_2d(samples)
    blocks = (rows[:, first : first + BLOCK] for first in range(0, rows.shape[1], BLOCK))
    floor = min(FLOOR_STEPS / 2 ** (bits - 1), HIGHEST_FLOOR)
    return find_events(
        blocks,
        sample_rate,
        kinds=kinds,
        sensitivity=sensitivity,
        min_gap_s=MIN_GAP_S,
        floor=floor,
        lossy=lossy,
    )


def repair(
    samples: NDArray,
    sample_rate: int,
    kinds: Sequence[str] = ("dropouts",),
    sensitivity: float = SENSITIVITY,
    *,
    events: Sequence[Event] | None = None,
    method: Method = "auto",
    effort: Effort = "normal",
    checkpoint: str | Path | None = None,
) -> NDArray:
    """Find damage and fill it; only samples of events differ.

    Clipped samples may come out above full scale.

    Args:
        samples: (channels, n) or (n,) float32 or float64, full scale 1.
        sample_rate: Hz.
        kinds: what is looked for; see `find`.
        sensitivity: see `find`.
        events: to fill in place of those that are found.
        method: how they are filled; see `inpaint`.
        effort: see `inpaint`.
        checkpoint: of a network, or `pretrained`; see `inpaint`.

    Returns:
        The shape and dtype of samples.

    Raises:
        ValueError: an argument of the wrong shape, dtype or value.
        CheckpointError: the checkpoint cannot be read.
    """
    _check(samples)
    found = find(samples, sample_rate, kinds, sensitivity) if events is None else events
    model = None
    if checkpoint is not None:
        from inpaint_ray.filling.calls import restorer_of  # torch is loaded where it is needed
        from inpaint_ray.models.checkpoint import load_checkpoint

        model = restorer_of(load_checkpoint(checkpoint))
    filled, _ = fill_events(
        np.atleast_2d(samples), sample_rate, found, method=method, effort=effort, restore_magnitudes=model
    )
    return filled.reshape(samples.shape)


def fill_events(
    samples: NDArray,
    sample_rate: int,
    events: Sequence[Event],
    *,
    first: int = 0,
    method: Method = "auto",
    effort: Effort = "normal",
    restore_magnitudes: RestoreMagnitudes | None = None,
    max_found_s: float | None = None,
    sources: Sources | None = None,
) -> tuple[NDArray, list[Fill]]:
    """Fill events of a waveform: clipped samples consistently with their clip level, all others as gaps.

    Args:
        samples: (channels, n) float.
        sample_rate: Hz.
        events: that reach into the samples.
        first: the sample of the recording that they begin with.
        method: see `filling.waveform.fill_with_notes`, as for all that follows.
        effort: as there.
        restore_magnitudes: as there.
        max_found_s: as there.
        sources: as there.

    Returns:
        The samples, and a note for each gap; none for clipped samples.
    """
    stop = first + samples.shape[1]
    lost = mark_gaps((event for event in events if event.kind != "clipped"), len(samples), first, stop)
    clipped = mark_gaps((event for event in events if event.kind == "clipped"), len(samples), first, stop) & ~lost
    filled, notes = fill_with_notes(
        samples,
        sample_rate,
        lost,
        method=method,
        effort=effort,
        restore_magnitudes=restore_magnitudes,
        max_found_s=max_found_s,
        sources=sources,
    )
    return (declip(filled, clipped, sample_rate) if clipped.any() else filled), notes


def _check(samples: NDArray) -> None:
    if samples.dtype not in (np.float32, np.float64) or samples.ndim not in (1, 2):
        raise ValueError(
            f"samples must be (n,) or (channels, n) float32 or float64, got {samples.dtype} {samples.shape}"
        )
