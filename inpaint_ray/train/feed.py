"""Training patches for one worker: Ray Data reads and damages them elsewhere, in the order of `train.order`.

Shapes: magnitudes (n, T, F) linear, lost (n, T) bool.
"""

import functools
import heapq
from collections.abc import Iterator
from typing import Any

import numpy as np
import ray.data
import torch
from numpy.typing import NDArray

from inpaint_ray.audio.damage import parse_damage
from inpaint_ray.data.batches import Batch, draw_lost, make_batch
from inpaint_ray.data.shards import open_shard, rows_of
from inpaint_ray.train.order import Order, Window

NODE = "ray.io/node-id"  # Ray's own label of a node
READERS = 2  # tasks that read for a worker at a time
Rows = dict[str, NDArray[Any]]


def training_batches(
    order: Order,
    lanes: list[int],
    *,
    num_workers: int,
    epoch: int,
    first_step: int,
    scale: float,
    damage: tuple[str, ...],
    reverse: bool,
    cache: str | None,
) -> Iterator[tuple[Batch, float]]:
    """This worker's patches of each step of an epoch, with the weight that `Learner.step` wants.

    Args:
        order: of all patches.
        lanes: this worker's.
        num_workers: that share each step.
        epoch: whose damage is drawn, new in every epoch.
        first_step: where to take the epoch up.
        scale: the data set's.
        damage: as the flag names it.
        reverse: turn each patch around in time in every second epoch.
        cache: folder of each node for copies of shards.
    """
    windows = list(_by_need({lane: order.windows(lane, epoch, first_step) for lane in lanes}))
    blocks = _read(windows, seed=order.seed + 1, epoch=epoch, damage=damage, reverse=reverse, cache=cache)
    waiting: dict[int, list[Rows]] = {lane: [] for lane in lanes}
    arriving = zip(windows, blocks, strict=True)
    for step in range(first_step, order.num_steps):
        taken = []
        for lane in lanes:
            size = order.step_size(lane, step)
            while sum(len(rows["lost"]) for rows in waiting[lane]) < size:
                window, rows = next(arriving)
                waiting[window.lane].append(rows)
            first, waiting[lane] = _take(waiting[lane], size)
            taken += first
        rows = {name: np.concatenate([part[name] for part in taken]) for name in taken[0]}
        magnitudes, lost = torch.from_numpy(rows["magnitudes"]), torch.from_numpy(rows["lost"])
        batch = make_batch(magnitudes, lost, scale, rows["track_id"], rows["patch"])
        total = order.patches_before(step + 1) - order.patches_before(step)
        yield batch, len(batch) * num_workers / total


def _by_need(lanes: dict[int, Iterator[Window]]) -> Iterator[Window]:
    """Windows of all lanes in the order in which steps come to need them."""
    queue = [(0, lane) for lane in lanes]
    heapq.heapify(queue)
    while queue:
        given, lane = heapq.heappop(queue)
        window = next(lanes[lane], None)
        if window is not None:
            yield window
            heapq.heappush(queue, (given + len(window.order), lane))


def _take(parts: list[Rows], count: int) -> tuple[list[Rows], list[Rows]]:
    """The first rows, and what is left."""
    taken = []
    while count:
        rows, length = parts[0], len(parts[0]["lost"])
        taken.append({name: column[:count] for name, column in rows.items()})
        parts = parts[1:] if length <= count else [{n: column[count:] for n, column in rows.items()}, *parts[1:]]
        count -= min(length, count)
    return taken, parts


def _read(
    windows: list[Window], *, seed: int, epoch: int, damage: tuple[str, ...], reverse: bool, cache: str | None
) -> Iterator[Rows]:
    """Each window's rows, in order, read and damaged by Ray Data ahead of their use."""
    items = [
        {"uri": window.piece.uri, "row_group": window.piece.row_group, "order": window.order.tolist()}
        for window in windows
    ]
    if not items:
        return iter(())
    here = ray.get_runtime_context().get_node_id()
    rows = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        functools.partial(read_window, seed=seed, epoch=epoch, damage=damage, reverse=reverse, cache=cache),
        batch_size=None,
        compute=ray.data.TaskPoolStrategy(READERS),
        num_cpus=0,  # part of the worker's: else workers that fill a cluster would wait for them for ever
        label_selector={NODE: here},  # beside the worker
        fallback_strategy=[{"label_selector": {NODE: f"!{here}"}}],  # where its node is being drained: on another
    )
    rows.context.execution_options.preserve_order = True
    return iter(rows.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=READERS))


def read_window(
    items: dict[str, NDArray[Any]],
    *,
    seed: int,
    epoch: int,
    damage: tuple[str, ...],
    reverse: bool = False,
    cache: str | None,
) -> Rows:
    """The rows of one window in their order, with the frames that each loses."""
    uri, row_group, order = (items[name][0] for name in ("uri", "row_group", "order"))
    with open_shard(str(uri), cache) as parquet:
        rows = rows_of(parquet.read_row_group(int(row_group)))
    chosen = np.asarray(order, dtype=np.int64)
    track_id, patch, magnitudes = rows.track_id[chosen], rows.patch[chosen], rows.magnitudes[chosen]
    lost = draw_lost(
        track_id, patch, seed=seed, epoch=epoch, damage=parse_damage(tuple(damage)), num_frames=magnitudes.shape[1]
    )
    if reverse:
        turned = (track_id + patch + epoch) % 2 == 1
        magnitudes = np.where(turned[:, None, None], magnitudes[:, ::-1], magnitudes)
        lost = np.where(turned[:, None], lost[:, ::-1], lost)
    return {"track_id": track_id, "patch": patch, "magnitudes": magnitudes, "lost": lost}
