"""Windows of a stream on a fixed grid: results do not depend on how its blocks were cut.

Shapes: samples are (channels, n).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Window(NamedTuple):
    """A window: a stretch of the stream to decide, `start` to `stop` in samples of the window, with sound around it."""

    first: int  # sample of the stream that the window begins with
    samples: NDArray  # (channels, n)
    start: int
    stop: int


class Windows:
    """A buffer that turns blocks into windows of `hop` samples with up to `margin` more on either side."""

    def __init__(self, hop: int, margin: int) -> None:
        self.hop, self.margin = hop, margin
        self._kept: NDArray | None = None
        self._first = 0  # of what is kept
        self._next = 0  # sample that the next window decides from

    def push(self, block: NDArray) -> Iterator[Window]:
        """Yield the windows that a block completes."""
        self._kept = block if self._kept is None else np.concatenate([self._kept, block], axis=1)
        while self._first + self._kept.shape[1] >= self._next + self.hop + self.margin:
            yield self._cut(self._next + self.hop + self.margin)

    def finish(self) -> Iterator[Window]:
        """Yield the windows left at the end of the stream."""
        if self._kept is None:
            return
        end = self._first + self._kept.shape[1]
        while self._next < end:
            yield self._cut(min(self._next + self.hop + self.margin, end))

    def _cut(self, last: int) -> Window:
        assert self._kept is not None
        first, start = self._first, self._next
        samples = self._kept[:, : last - first]
        self._next = min(start + self.hop, last)
        keep_from = max(self._next - self.margin, 0)
        window = Window(first, samples, start - first, self._next - first)
        self._kept, self._first = self._kept[:, keep_from - first :], keep_from
        return window
