"""Dealing of items to blocks by cost, the largest first."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

MANY_BLOCKS = 2_000  # while items are few or small, so that many actors share them evenly
MOST_BLOCKS = 20_000
MOST_COST = 256_000_000  # bytes; the most that is done again after an actor was killed
ITEM_COST = 1_000_000  # bytes that take about as long as opening, asking for and noting an item

Item = TypeVar("Item")


def deal(items: Sequence[Item], num_bytes: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Deal items to blocks of about equal bytes, the largest items first.

    A block has a 2,000th of all bytes, at most 256 MB unless that would make more than 20,000 blocks; an item counts a
    megabyte more than it has, and one above the limit is a block of its own. So a recording of three hours among
    songs is begun first and alone, and what is begun last is small.

    Args:
        items: in any order; those of one size stay in theirs.
        num_bytes: the bytes of an item.
    """
    costs = sum(num_bytes(item) + ITEM_COST for item in items)
    most = max(min(costs / MANY_BLOCKS, MOST_COST), costs / MOST_BLOCKS)
    block: list[Item] = []
    cost = 0
    for item in sorted(items, key=num_bytes, reverse=True):
        if block and cost + num_bytes(item) + ITEM_COST > most:
            yield block
            block, cost = [], 0
        block.append(item)
        cost += num_bytes(item) + ITEM_COST
    if block:
        yield block
