"""Items are dealt to blocks of even cost, the largest first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inpaint_ray.ledger.blocks import ITEM_COST, MANY_BLOCKS, MOST_BLOCKS, MOST_COST, deal

MB = 1_000_000


def sizes_of(sizes: list[int]) -> list[list[int]]:
    return list(deal(sizes, lambda size: size))


def costs_of(blocks: list[list[int]]) -> list[int]:
    return [sum(block) + ITEM_COST * len(block) for block in blocks]


@given(st.lists(st.integers(0, 10**10), max_size=200))
def test_every_item_is_dealt_once_and_the_largest_come_first(sizes: list[int]) -> None:
    blocks = sizes_of(sizes)
    assert [size for block in blocks for size in block] == sorted(sizes, reverse=True)
    assert all(blocks)


def test_items_of_one_size_keep_their_order() -> None:
    blocks = list(deal([("b", 1), ("a", 1), ("c", 2)], lambda item: item[1]))
    assert [name for block in blocks for name, _ in block] == ["c", "b", "a"]


def test_no_items_are_no_blocks() -> None:
    assert sizes_of([]) == []


def test_a_few_items_are_a_block_each_so_that_many_actors_share_them() -> None:
    assert sizes_of([5, 9, 7]) == [[9], [7], [5]]
    assert len(sizes_of([MB] * MANY_BLOCKS)) == MANY_BLOCKS


def test_a_recording_of_three_hours_among_songs_is_begun_first_and_alone() -> None:
    songs, recording = [4 * MB] * 10_000, 2000 * MB
    blocks = sizes_of([*songs[:5000], recording, *songs[5000:]])
    assert blocks[0] == [recording]
    assert len({len(block) for block in blocks[1:-1]}) == 1


def test_blocks_of_many_sizes_cost_about_the_same() -> None:
    sizes = (10 ** np.random.default_rng(0).uniform(4, 7, 100_000)).astype(int).tolist()
    costs = costs_of(sizes_of(sizes))
    limit, largest = sum(costs) / MANY_BLOCKS, max(sizes) + ITEM_COST
    assert max(costs) <= limit and min(costs[:-1]) > limit - largest
    assert len(costs) == pytest.approx(MANY_BLOCKS, rel=0.1)


def test_what_a_killed_actor_does_again_is_limited() -> None:
    costs = costs_of(sizes_of([30 * MB] * 100_000))  # 3 TB
    assert MOST_COST - 31 * MB < max(costs) <= MOST_COST


def test_even_a_million_large_items_are_not_too_many_blocks() -> None:
    blocks = sizes_of([50 * MB] * 1_000_000)
    assert 0.9 * MOST_BLOCKS < len(blocks) <= MOST_BLOCKS
    assert sum(map(len, blocks)) == 1_000_000
    assert len(sizes_of([0] * 1_000_000)) <= MOST_BLOCKS  # files of no size are work, too
