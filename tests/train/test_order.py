"""The order of training: every patch once a pass, the same for any number of workers, found again after a kill."""

import hashlib
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from inpaint_ray.train.order import Order, count_lanes

SHARDS = {"a": 300, "b": 128, "c": 57, "d": 1}


def _order(batch_size: int = 8, patches: int | None = None, num_lanes: int | None = None, seed: int = 0) -> Order:
    total = sum(SHARDS.values())
    return Order(SHARDS, seed, batch_size, num_lanes or count_lanes(batch_size, 1, total), patches or total)


def _step_sizes(order: Order, lane: int) -> list[int]:
    return [order.step_size(lane, step) for step in range(order.num_steps)]


def _taken(order: Order, epoch: int, first_step: int = 0) -> list[list[tuple[str, int]]]:
    """The patches of each step, as (shard, row)."""
    lanes = []
    for lane in range(order.num_lanes):
        rows = [
            (request.span.uri, 128 * request.span.row_group + int(row))
            for request in order.requests(lane, epoch, first_step)
            for row in request.order
        ]
        steps = []
        for size in _step_sizes(order, lane)[first_step:]:
            steps.append(rows[:size])
            rows = rows[size:]
        assert not rows
        lanes.append(steps)
    return [sum(parts, []) for parts in zip(*lanes, strict=True)]


EVERY_PATCH = [(name, row) for name, rows in SHARDS.items() for row in range(rows)]


@pytest.mark.parametrize("batch_size", [1, 7, 8, 58, 486])
def test_an_epoch_has_every_patch_once(batch_size: int) -> None:
    for epoch in (0, 3):
        taken = _taken(_order(batch_size), epoch)
        assert sorted(sum(taken, [])) == EVERY_PATCH
        assert all(len(step) == batch_size for step in taken[:-1])
        assert 0 < len(taken[-1]) < batch_size + count_lanes(batch_size, 1, len(EVERY_PATCH))


def test_short_epochs_go_on_where_the_one_before_ended() -> None:
    order = _order(8, patches=100)
    taken = [place for epoch in range(10) for place in sum(_taken(order, epoch), [])]
    assert len(taken) == 1_000
    counts = Counter(taken)
    assert set(counts) == set(EVERY_PATCH)
    assert set(counts.values()) <= {1, 2, 3}  # two passes and a little


def test_epochs_may_be_longer_than_a_pass() -> None:
    counts = Counter(sum(_taken(_order(8, patches=2 * sum(SHARDS.values())), 1), []))
    assert set(counts) == set(EVERY_PATCH)


def test_the_order_changes_with_epoch_and_seed_and_with_nothing_else() -> None:
    assert _taken(_order(), 0) == _taken(_order(), 0)
    assert _taken(_order(), 0) != _taken(_order(), 1)
    assert _taken(_order(), 0) != _taken(_order(seed=1), 0)


@pytest.mark.parametrize("first_step", [1, 30, 59])
def test_an_epoch_is_taken_up_at_any_step(first_step: int) -> None:
    assert _taken(_order(), 2, first_step) == _taken(_order(), 2)[first_step:]


def test_batches_are_mixed() -> None:
    steps = _taken(_order(8), 0)
    assert np.mean([len({name for name, _ in step}) for step in steps]) > 2
    rows = [row for step in steps for name, row in step if name == "a"]
    assert np.mean(np.abs(np.diff(rows))) > 40


@pytest.mark.parametrize(
    ("batch_size", "num_workers", "lanes"), [(58, 1, 29), (58, 2, 29), (64, 1, 8), (64, 16, 16), (5, 1, 5), (12, 7, 12)]
)
def test_lanes_divide_the_batch_and_are_enough_for_the_workers(batch_size: int, num_workers: int, lanes: int) -> None:
    assert count_lanes(batch_size, num_workers, 1_000) == lanes


def test_what_is_skipped_is_not_read() -> None:
    order = _order(8)
    assert len(list(order.requests(0, 0, first_step=order.num_steps - 1))) == 1


@pytest.mark.parametrize("batch_size", [1, 7, 58, 486])
@pytest.mark.parametrize("patches", [3, 486, 1_000])
def test_patches_before_a_step_are_those_of_all_lanes(batch_size: int, patches: int) -> None:
    order = _order(batch_size, patches)
    steps = zip(*(_step_sizes(order, lane) for lane in range(order.num_lanes)), strict=True)
    sums = np.cumsum([0, *map(sum, steps)])
    assert [order.patches_before(step) for step in range(order.num_steps + 1)] == sums.tolist()


def test_a_lane_costs_what_it_reads_and_two_numbers_a_row_group() -> None:
    """One of a hundred lanes in the last steps of 4.64 million patches: 0.9 MB, of which 0.6 for 36,250 row groups."""
    shards = {f"{number}": 1_856 for number in range(2_500)}
    order = Order(shards, 0, 100, 100, 4_640_000)
    tracemalloc.start()
    try:
        requests = list(order.requests(7, 0, first_step=46_000))
        assert sum(len(request.order) for request in requests) == order.lane_length(7) - 46_000 == 400
        assert order.step_size(7, order.num_steps - 1) == 1
        assert order.patches_before(order.num_steps) == 4_640_000
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("num_patches", [1, 2, 10, 28])
@pytest.mark.parametrize("num_workers", [1, 2, 40])
def test_fewer_patches_than_a_batch_are_one_step_an_epoch(num_patches: int, num_workers: int) -> None:
    lanes = count_lanes(58, num_workers, num_patches)
    order = Order({"a": num_patches}, 0, 58, lanes, num_patches)
    for epoch in (0, 1, 7):
        (step,) = _taken(order, epoch)
        assert sorted(step) == [("a", row) for row in range(num_patches)]
    assert [sum(_step_sizes(order, lane)) for lane in range(lanes)] == [
        1
    ] * num_patches  # whoever has a lane has a patch


@pytest.mark.parametrize(
    ("shards", "batch_size", "num_workers", "patches", "digest"),
    [
        (SHARDS, 8, 1, 486, "76ce7c40158b0964"),
        (SHARDS, 58, 1, 486, "6e961153f0477e9d"),
        (SHARDS, 58, 40, 486, "f9cfd00604df0188"),
        (SHARDS, 1, 1, 486, "c9fcff03582b5ca6"),
        (SHARDS, 16, 2, 1_000, "657644c169bd59c8"),
        ({"a": 29}, 58, 1, 29, "12abc6a388188b86"),
        ({"a": 58}, 58, 8, 58, "507da27685b44e30"),
        ({"a": 129, "b": 0, "c": 255, "d": 1, "e": 256}, 41, 3, 641, "4e812dbbc86fd82d"),
        ({"a": 129, "b": 0, "c": 255, "d": 1, "e": 256}, 60, 7, 1_283, "ab7c7ff29b11d10f"),
        ({"a": 131, "b": 127}, 13, 13, 5, "1e891f1dde731cc0"),
    ],
)
def test_the_order_is_that_of_the_first_version(
    shards: dict[str, int], batch_size: int, num_workers: int, patches: int, digest: str
) -> None:
    """So that runs go on as they began, and published figures can be had again."""
    order = Order(shards, 3, batch_size, count_lanes(batch_size, num_workers, sum(shards.values())), patches)
    digester = hashlib.sha256()
    for epoch in (0, 2):
        for lane in range(order.num_lanes):
            digester.update(repr(_step_sizes(order, lane)).encode())
            for request in order.requests(lane, epoch):
                digester.update(f"{request.span.uri} {request.span.row_group} {request.order.tolist()}".encode())
    assert digester.hexdigest()[:16] == digest
