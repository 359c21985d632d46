"""The registry of detectors by group, and the list of events that they give together."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.runs import Event, join_events
from inpaint_ray.finding.clicks import Clicks
from inpaint_ray.finding.clipping import Clipping
from inpaint_ray.finding.detection import MIN_GAP_S, MOST_GAPS, Standstills
from inpaint_ray.finding.flat_runs import FlatRuns
from inpaint_ray.finding.kinds import SENSITIVITY, chosen_groups
from inpaint_ray.finding.smeared import Smeared


class Detector(Protocol):
    """A detector of a stream, block by block, in bounded memory; all kinds of damage have this signature."""

    def look(self, block: NDArray) -> list[Event]:
        """Take the next block, (channels, n) float; returns the events that it decides."""

    def finish(self) -> list[Event]:
        """Return the events that the end of the stream decides."""


DETECTORS: dict[str, tuple[Callable[[int], Detector], ...]] = {  # sample rate -> detector; beside `Standstills`
    "dropouts": (FlatRuns,),
    "clicks": (Clicks,),
    "clipping": (Clipping,),
}


def find_events(
    blocks: Iterable[NDArray],
    sample_rate: int,
    *,
    kinds: Sequence[str] = ("dropouts",),
    sensitivity: float = SENSITIVITY,
    min_gap_s: float | None = MIN_GAP_S,
    floor: float = 0.0,
    lossy: bool = False,
) -> list[Event]:
    """Find damage of the requested kinds; samples that are not finite are always found.

    Args:
        blocks: consecutive (channels, n) float blocks, full scale 1; may be of any length.
        sample_rate: Hz.
        kinds: of `dropouts` (zeros, stuck values, dither, held and muted samples), `clicks`, `clipping`, `all`.
        sensitivity: 0 to 1; an event is given when the chance that it is false is at most this.
        min_gap_s: the shortest dropout of zeros, stuck values or dither; held and muted samples may be shorter.
        floor: amplitude up to which noise counts as silence.
        lossy: the sound was decoded from MP3, Vorbis or Opus, which smear a dropout's edges.

    Returns:
        The events by start and channel; those of one channel do not touch. One that touches a dropout of `detection`
        is of that alone.

    Raises:
        ValueError: there are more than a million, or an argument is out of range.
    """
    groups = chosen_groups(kinds)
    if not 0 <= sensitivity <= 1:
        raise ValueError(f"sensitivity must be from 0 to 1, got {sensitivity:g}")
    first = Standstills(sample_rate, min_gap_s=min_gap_s if "dropouts" in groups else None, floor=floor)
    others = [make(sample_rate) for group in groups for make in DETECTORS[group]]
    smearing = [Smeared(sample_rate)] if lossy and "dropouts" in groups else []
    standing, smeared, found = list[Event](), list[Event](), list[Event]()
    for block in blocks:
        standing += first.look(block)
        smeared += [event for detector in smearing for event in detector.look(block)]
        for detector in others:
            found += [event for event in detector.look(block) if 1 - event.confidence <= sensitivity]
        if len(standing) + len(found) > MOST_GAPS:
            raise ValueError(f"more than {MOST_GAPS:,} events: this is noise, or no recording")
    smeared += [event for detector in smearing for event in detector.finish()]
    smeared = [event for event in smeared if 1 - event.confidence <= sensitivity]
    standing = join_events([*smeared, *_apart([*standing, *first.finish()], smeared)])  # edges are known better
    for detector in others:
        found += [event for event in detector.finish() if 1 - event.confidence <= sensitivity]
    return join_events([*standing, *_apart(found, standing)])


def _apart(events: list[Event], standing: list[Event]) -> list[Event]:
    """Return the events that touch none of those found before, which do not touch each other."""
    by_channel: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    for channel in {event.channel for event in standing}:
        own = [event for event in standing if event.channel == channel]
        by_channel[channel] = (np.array([event.start for event in own]), np.array([event.stop for event in own]))
    kept = []
    for event in events:
        starts, stops = by_channel.get(event.channel, (np.zeros(0, np.int64), np.zeros(0, np.int64)))
        next_one = int(np.searchsorted(stops, event.start))  # the first that ends at or after its start
        if next_one == len(starts) or starts[next_one] > event.stop:
            kept.append(event)
    return kept
