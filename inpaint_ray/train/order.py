"""The order of training patches: it follows from the seed alone, whatever the number of workers.

The training patches of a pass, in a seeded order of their row groups, are dealt to lanes of equal length. A step takes
as many patches of every lane; a worker has some of the lanes. So one worker and many see the same patches in every
step, a step can be found again after an interruption without reading what lies before it, and nobody reads what
another trains on.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.data.shards import ROW_GROUP_PATCHES

FEWEST_LANES = 8  # each reads from another place, which mixes a batch


@dataclass(frozen=True)
class RowSpan:
    """Neighbouring rows of one row group."""

    uri: str
    row_group: int
    start: int  # first row of it
    stop: int  # one past the last

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class ReadRequest:
    """A request to read rows of a lane, which are read at once and taken in a shuffled order."""

    lane: int
    span: RowSpan
    order: NDArray[np.int64]  # the wanted rows of the span, in the order in which they are taken


def count_lanes(batch_size: int, num_workers: int, num_patches: int) -> int:
    """Return the number of lanes: the same for any small number of workers, and a divisor of the batch size.

    Where there are fewer patches than that, each is a lane of its own, and all of them are one step.
    """
    fewest = max(num_workers, min(FEWEST_LANES, batch_size))
    return min(num_patches, next(lanes for lanes in range(fewest, batch_size + 1) if batch_size % lanes == 0))


class RowGroups:
    """The row groups of shards, numbered over all of them."""

    def __init__(self, shards: Mapping[str, int]) -> None:
        self._uris = [uri for uri, rows in shards.items() if rows]
        self._rows = np.array([shards[uri] for uri in self._uris], dtype=np.int64)
        self._first = np.cumsum([0, *-(-self._rows // ROW_GROUP_PATCHES)])  # of each shard, and the number of all

    def find(self, number: int) -> tuple[str, int, int]:
        """Return the URI of a row group's shard, its number there and its rows."""
        shard = int(np.searchsorted(self._first, number, side="right")) - 1
        within = number - int(self._first[shard])
        return self._uris[shard], within, min(ROW_GROUP_PATCHES, int(self._rows[shard]) - within * ROW_GROUP_PATCHES)

    def num_rows(self) -> NDArray[np.uint8]:
        """Return the rows of each row group: as many as possible in all but the last of a shard."""
        rows = np.full(self._first[-1], ROW_GROUP_PATCHES, dtype=np.uint8)
        rows[self._first[1:] - 1] = (self._rows - 1) % ROW_GROUP_PATCHES + 1
        return rows


@dataclass(frozen=True)
class Order:
    """The order of all patches in all epochs."""

    shards: dict[str, int]  # URI -> patches
    seed: int
    batch_size: int
    num_lanes: int  # at most as many as there are patches
    patches_per_epoch: int  # more or fewer than there are: an epoch goes on where the one before ended

    @functools.cached_property
    def num_patches(self) -> int:
        """Return the patches of a pass."""
        return sum(self.shards.values())

    @property
    def per_step(self) -> int:
        """Return the patches that a lane gives to a step."""
        return self.batch_size // self.num_lanes

    def lane_length(self, lane: int) -> int:
        """Return the patches of a lane in an epoch; lanes differ by one at most."""
        return _cut(self.patches_per_epoch, self.num_lanes, lane + 1) - _cut(
            self.patches_per_epoch, self.num_lanes, lane
        )

    @property
    def num_steps(self) -> int:
        """Return the steps of an epoch; every lane has patches in each, and the last step takes the rest."""
        shortest = self.patches_per_epoch // self.num_lanes
        return max(1, -(-shortest // self.per_step))

    def step_size(self, lane: int, step: int) -> int:
        """Return the patches that a lane gives to a given step of an epoch."""
        return self.per_step if step < self.num_steps - 1 else self.lane_length(lane) - step * self.per_step

    def patches_before(self, step: int) -> int:
        """Return the patches that all lanes give to earlier steps of an epoch; all of them for `num_steps`."""
        return self.patches_per_epoch if step >= self.num_steps else step * self.per_step * self.num_lanes

    def requests(self, lane: int, epoch: int, first_step: int = 0) -> Iterator[ReadRequest]:
        """Yield the read requests of a lane in an epoch from a step on, in order."""
        start, stop = epoch * self.lane_length(lane) + first_step * self.per_step, (epoch + 1) * self.lane_length(lane)
        length = self._pass_length(lane)
        for number in range(start // length, -(-stop // length)):
            yield from self._of_pass(number, lane, max(start - number * length, 0), min(stop - number * length, length))

    def _pass_length(self, lane: int) -> int:
        return _cut(self.num_patches, self.num_lanes, lane + 1) - _cut(self.num_patches, self.num_lanes, lane)

    def _of_pass(self, number: int, lane: int, start: int, stop: int) -> Iterator[ReadRequest]:
        """Yield the read requests for the positions start to stop of a lane in a pass."""
        if start >= stop:
            return
        row_groups, ends = self._shuffled(number)
        first, last = (_cut(self.num_patches, self.num_lanes, edge) for edge in (lane, lane + 1))
        of_lane, begin, end = np.searchsorted(ends, [first, first + start, first + stop - 1], side="right").tolist()
        for index in range(begin, end + 1):
            uri, row_group, rows = self._row_groups.find(int(row_groups[index]))
            place = int(ends[index]) - rows
            span = RowSpan(uri, row_group, max(first - place, 0), min(last - place, rows))
            place += span.start
            generator = np.random.default_rng([self.seed, number, lane, index - of_lane])
            order = generator.permutation(len(span))[max(first + start - place, 0) : first + stop - place]
            yield ReadRequest(lane, span, order + span.start)

    @functools.cached_property
    def _row_groups(self) -> RowGroups:
        return RowGroups(self.shards)

    @functools.cached_property
    def _shuffled(self) -> Callable[[int], tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return `_shuffle` with its last result cached, as all lanes of a worker go from pass to pass together."""
        return functools.lru_cache(maxsize=1)(self._shuffle)

    def _shuffle(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row groups in the order of a pass, and for each the patches of the pass up to its end."""
        rows = self._row_groups.num_rows()
        order = np.random.default_rng([self.seed, number]).permutation(len(rows))
        return order, np.cumsum(rows[order], dtype=np.int64)


def _cut(total: int, parts: int, edge: int) -> int:
    """Return the end of the parts before an edge, where a total is cut into equal parts."""
    return total * edge // parts
