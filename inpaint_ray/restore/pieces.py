"""Filling of gaps in the stream of a recording: only the stretches around them are held and computed.

Shapes: samples and lost are (channels, n).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from inpaint_ray.audio.decode import Recording
from inpaint_ray.audio.runs import Event
from inpaint_ray.filling.choice import MAX_FOUND_S, MAX_GAP_S, SHORTEST_RETRIEVAL_S

# Of sound on either side of what is filled: more than any method looks at, and long enough that a gap too long to be
# predicted is seen to be so.
CONTEXT_S = 1.5 * MAX_GAP_S
PIECE_S = 10.0  # about the most that is filled at a time
SEARCH_S = 60.0  # on either side, in which the same music is looked for where a gap is long enough
MOST_SEARCHED = 2**23  # samples of all channels on either side, at any rate


@dataclass(frozen=True)
class Piece:
    """A piece: a stretch that is filled at a time, in samples of the whole recording."""

    start: int
    stop: int
    window: tuple[int, int]  # the piece and the sound around it; may reach beyond the end
    gaps: list[Event]  # all that reach into the window
    searched: tuple[int, int]  # the stretch held in memory: the window, or minutes around a long gap
    searched_gaps: list[Event]  # all that reach into the stretch that is searched


FillWindow = Callable[
    [Recording, Piece, Recording], Recording
]  # window, piece, sound that is searched -> filled window


def plan_pieces(gaps: list[Event], sample_rate: int, num_channels: int = 1) -> list[Piece]:
    """Plan the pieces, in order: neighbouring gaps together, and long ones in parts.

    Args:
        gaps: by start; those of one channel do not touch.
        sample_rate: Hz.
        num_channels: of the recording, which decide how much of it may be held.
    """
    context, longest = round(CONTEXT_S * sample_rate), round(PIECE_S * sample_rate)
    spans: list[tuple[int, int]] = []
    for start, stop in sorted(part for gap in gaps for part in _parts(gap, longest // 2)):
        if spans and _joins(spans[-1], start, stop, context, longest):
            spans[-1] = (spans[-1][0], max(spans[-1][1], stop))
        else:
            spans.append((start, stop))
    index = _GapIndex(gaps)
    far = min(round(SEARCH_S * sample_rate), MOST_SEARCHED // num_channels)
    pieces: list[Piece] = []
    for start, stop in reversed(spans):
        window = (max(start - context, 0), stop + context)
        inside = index.overlapping(*window)
        searched = window
        if any(SHORTEST_RETRIEVAL_S < (gap.stop - gap.start) / sample_rate <= MAX_FOUND_S for gap in inside):
            searched = (min(max(start - far, 0), window[0]), max(stop + far, window[1]))
        if pieces:  # what the next one searches is kept: planned from the last piece to the first
            searched = (min(searched[0], pieces[-1].searched[0]), searched[1])
        pieces.append(Piece(start, stop, window, inside, searched, index.overlapping(*searched)))
    return pieces[::-1]


class _GapIndex:
    """A search for gaps by the stretches that they overlap."""

    def __init__(self, gaps: list[Event]) -> None:
        self._gaps = gaps
        self._starts, stops = (np.array([getattr(gap, name) for gap in gaps], np.int64) for name in ("start", "stop"))
        self._reached = np.maximum.accumulate(stops)  # of several channels, an earlier gap may end later

    def overlapping(self, start: int, stop: int) -> list[Event]:
        """Return the gaps that overlap a stretch."""
        first, last = np.searchsorted(self._reached, start, side="right"), np.searchsorted(self._starts, stop)
        return [gap for gap in self._gaps[first:last] if gap.stop > start]


def fill_blocks(
    blocks: Iterator[Recording], pieces: list[Piece], fill_window: FillWindow
) -> Iterator[tuple[Recording, Recording]]:
    """Yield the blocks of a recording, original and with the pieces filled.

    Args:
        blocks: of the recording, at least one.
        pieces: from `plan_pieces`.
        fill_window: gives the sound of a piece's window with its lost samples filled; it is given the window, the
            piece, and all that is held of what is searched.
    """
    held = next(blocks)
    first = 0  # sample of the recording that `held` begins with
    given = 0  # samples of the recording that were yielded
    for piece in pieces:
        while first + held.num_samples < piece.searched[1]:
            passed = min(piece.searched[0] - first, held.num_samples)
            if given < first + passed:
                part = held.cut(given - first, passed)
                yield part, part
                given = first + passed
            kept = held.samples[:, passed:]
            first += passed
            block = next(blocks, None)
            if block is None:
                held = replace(held, samples=kept)
                break
            held = replace(block, samples=np.concatenate([kept, block.samples], axis=1))
        if given < piece.start:
            part = held.cut(given - first, piece.start - first)
            yield part, part
        begin = piece.window[0] - first
        window = held.cut(begin, piece.window[1] - first)
        filled = fill_window(window, piece, held.cut(piece.searched[0] - first, piece.searched[1] - first))
        inside = (piece.start - piece.window[0], piece.stop - piece.window[0])
        yield window.cut(*inside), filled.cut(*inside)
        given = piece.stop
    if given < first + held.num_samples:
        part = held.cut(given - first, held.num_samples)
        yield part, part
    for block in blocks:
        yield block, block


def _parts(gap: Event, longest: int) -> list[tuple[int, int]]:
    return [(start, min(start + longest, gap.stop)) for start in range(gap.start, gap.stop, longest)]


def _joins(span: tuple[int, int], start: int, stop: int, context: int, longest: int) -> bool:
    """Return True if gaps share a piece: those that overlap, and those with touching surroundings up to a length."""
    return start < span[1] or (start - span[1] < 2 * context and stop - span[0] <= longest)
