"""Which patch is trained when: an order that follows from the seed alone, whatever the number of workers.

The training patches of a pass, in a seeded order of their row groups, are dealt to lanes of equal length. A step takes
as many patches of every lane; a worker has some of the lanes. So one worker and many see the same patches in every
step, a step can be found again after an interruption without reading what lies before it, and nobody reads what
another trains on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.data.shards import ROW_GROUP_PATCHES

FEWEST_LANES = 8  # each reads from another place, which mixes a batch


@dataclass(frozen=True)
class Piece:
    """Some neighbouring rows of one row group."""

    uri: str
    row_group: int
    start: int  # first row of it
    stop: int  # one past the last

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Window:
    """Rows of a lane that are read at once and taken in a mixed order."""

    lane: int
    piece: Piece
    order: NDArray[np.int64]  # rows of the piece, those that are wanted, in the order that they are taken in


def count_lanes(batch_size: int, num_workers: int, num_patches: int) -> int:
    """Lanes of a batch: the same for every number of workers up to a few; each gives a whole number of patches.

    Where there are fewer patches than that, each is a lane of its own, and all of them are one step.
    """
    fewest = max(num_workers, min(FEWEST_LANES, batch_size))
    return min(num_patches, next(lanes for lanes in range(fewest, batch_size + 1) if batch_size % lanes == 0))


@dataclass(frozen=True)
class Order:
    """The order of all patches in all epochs."""

    shards: dict[str, int]  # URI -> patches
    seed: int
    batch_size: int
    num_lanes: int  # at most as many as there are patches
    patches_per_epoch: int  # more or fewer than there are: an epoch goes on where the one before ended

    @property
    def num_patches(self) -> int:
        """Of a pass."""
        return sum(self.shards.values())

    @property
    def per_step(self) -> int:
        """Patches that a lane gives to a step."""
        return self.batch_size // self.num_lanes

    def lane_length(self, lane: int) -> int:
        """Patches of a lane in an epoch; lanes differ by one at most."""
        return _cut(self.patches_per_epoch, self.num_lanes, lane + 1) - _cut(
            self.patches_per_epoch, self.num_lanes, lane
        )

    @property
    def num_steps(self) -> int:
        """Of an epoch; every lane has patches in each, and the last step takes what is left."""
        shortest = self.patches_per_epoch // self.num_lanes
        return max(1, -(-shortest // self.per_step))

    def step_sizes(self, lane: int) -> list[int]:
        """Patches that a lane gives to each step of an epoch."""
        steps = self.num_steps - 1
        return [self.per_step] * steps + [self.lane_length(lane) - steps * self.per_step]

    def windows(self, lane: int, epoch: int, first_step: int = 0) -> Iterator[Window]:
        """What a lane reads in an epoch from a step on, in order."""
        start, stop = epoch * self.lane_length(lane) + first_step * self.per_step, (epoch + 1) * self.lane_length(lane)
        length = self._pass_length(lane)
        for number in range(start // length, -(-stop // length)):
            yield from self._of_pass(number, lane, max(start - number * length, 0), min(stop - number * length, length))

    def _pass_length(self, lane: int) -> int:
        return _cut(self.num_patches, self.num_lanes, lane + 1) - _cut(self.num_patches, self.num_lanes, lane)

    def _of_pass(self, number: int, lane: int, start: int, stop: int) -> Iterator[Window]:
        """Places start to stop of a lane in a pass."""
        place = 0
        for count, piece in enumerate(self._pieces(number, lane)):
            first, last = max(start - place, 0), min(stop - place, len(piece))
            if first < last:
                generator = np.random.default_rng([self.seed, number, lane, count])
                yield Window(lane, piece, generator.permutation(len(piece))[first:last] + piece.start)
            place += len(piece)

    def _pieces(self, number: int, lane: int) -> Iterator[Piece]:
        """The lane's part of all rows, their row groups in the order of a pass."""
        groups = [
            (uri, group, min(ROW_GROUP_PATCHES, rows - group * ROW_GROUP_PATCHES))
            for uri, rows in self.shards.items()
            for group in range(-(-rows // ROW_GROUP_PATCHES))
        ]
        first, last = (_cut(self.num_patches, self.num_lanes, edge) for edge in (lane, lane + 1))
        place = 0
        for index in np.random.default_rng([self.seed, number]).permutation(len(groups)):
            uri, group, rows = groups[index]
            start, stop = max(first - place, 0), min(last - place, rows)
            if start < stop:
                yield Piece(uri, group, start, stop)
            place += rows
            if place >= last:
                return


def _cut(total: int, parts: int, edge: int) -> int:
    """Where the part before an edge ends."""
    return total * edge // parts
