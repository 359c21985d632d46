"""The data loader: batches for training and validation, made ahead of their use by a thread. Plain torch, no Ray.

Shapes: B = patches of a batch, T = frames, F = bins.
"""

import contextlib
import heapq
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from inpaint_ray.audio.damage import Damage
from inpaint_ray.data.batches import EVALUATION_SEED, PATCHES, Batch, draw_lost, make_batch
from inpaint_ray.train.order import Order, ReadRequest
from inpaint_ray.train.sources import Rows, Source, to_device

DEPTH = 2  # batches made ahead
POLL_S = 0.5  # between looks at whether the loader was closed


@dataclass(frozen=True, kw_only=True)
class BatchMaker:
    """Settings that turn patches into batches."""

    scale: float  # the data set's
    seed: int  # of the damage
    damage: tuple[Damage, ...]
    reverse: bool  # turn each patch around in time in every second epoch
    device: torch.device

    def make(self, source: Source, parts: list[Rows], epoch: int | None) -> Batch:
        """Make a batch on the device; the damage is new in every epoch, or always the same where `epoch` is None."""
        track_id = np.concatenate([part.of.track_id[part.chosen] for part in parts])
        patch = np.concatenate([part.of.patch[part.chosen] for part in parts])
        magnitudes = source.gather(parts)
        num_frames = magnitudes.shape[1]
        drawn = draw_lost(track_id, patch, seed=self.seed, epoch=epoch, damage=self.damage, num_frames=num_frames)
        if self.reverse and epoch is not None:
            turned = (track_id + patch + epoch) % 2 == 1
            drawn = np.where(turned[:, None], drawn[:, ::-1], drawn)
            backwards = to_device(torch.from_numpy(turned), self.device)[:, None, None]
            magnitudes = torch.where(backwards, magnitudes.flip(1), magnitudes)
        lost = to_device(torch.from_numpy(drawn), self.device)
        return make_batch(magnitudes, lost, self.scale, track_id, patch)


class Step(NamedTuple):
    """A step of training: a batch and its weight."""

    batch: Batch
    weight: float = 1.0  # see `Learner.step`


def training_steps(
    order: Order, lanes: list[int], num_workers: int, source: Source, maker: BatchMaker, starts: list[tuple[int, int]]
) -> Iterator[Step | None]:
    """Yield the steps of epochs, and None at the end of each epoch.

    Args:
        order: of all patches.
        lanes: this worker's.
        num_workers: that share each step.
        source: of the patches.
        maker: batches of them.
        starts: epochs, each with its first step.
    """
    requests = (
        request
        for epoch, first_step in starts
        for request in _by_need({lane: order.requests(lane, epoch, first_step) for lane in lanes})
    )
    waiting = _Lanes(source, requests)
    for epoch, first_step in starts:
        for step in range(first_step, order.num_steps):
            parts = [part for lane in lanes for part in waiting.take(lane, order.step_size(lane, step))]
            batch = maker.make(source, parts, epoch)
            total = order.patches_before(step + 1) - order.patches_before(step)
            yield Step(batch, len(batch) * num_workers / total)
        yield None


def validation_steps(
    source: Source, maker: BatchMaker, requests: Iterable[ReadRequest], at_once: int
) -> Iterator[Step | None]:
    """Yield validation batches, with genres and with damage that is the same in every run; None at the end."""
    maker, waiting = replace(maker, seed=EVALUATION_SEED, reverse=False), _Waiting()
    for rows in source.read(requests):
        waiting.add(rows)
        while len(waiting) >= at_once:
            yield _validation_step(source, maker, waiting.take(at_once))
    if len(waiting):
        yield _validation_step(source, maker, waiting.take(len(waiting)))
    yield None


def _validation_step(source: Source, maker: BatchMaker, parts: list[Rows]) -> Step:
    batch = maker.make(source, parts, None)
    return Step(replace(batch, genre=[part.of.genre[row] for part in parts for row in part.chosen]))


class Prefetch:
    """An iterator over steps that a thread makes ahead of their use, on a GPU in a stream of its own.

    Args:
        steps: the source of steps; None ends an epoch.
        device: where batches are.
    """

    def __init__(self, steps: Iterator[Step | None], device: torch.device) -> None:
        self._device = device
        self._made: queue.Queue[tuple[Step | None | Exception, torch.cuda.Event | None]] = queue.Queue(DEPTH)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._make, args=(steps,), name="loader", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps up to the next end of an epoch."""
        while True:
            step, ready = self._made.get()
            if isinstance(step, Exception):
                raise step
            if step is None:
                return
            if ready is not None:
                stream = torch.cuda.current_stream(self._device)
                stream.wait_event(ready)
                for name in PATCHES:
                    getattr(step.batch, name).record_stream(stream)
            yield step

    def __enter__(self) -> "Prefetch":
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the thread."""
        self._over.set()
        self._thread.join()

    def _make(self, steps: Iterator[Step | None]) -> None:
        """Make the steps, in the thread; its errors are raised where steps are taken."""
        try:
            stream = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None
            if stream:
                stream.wait_stream(torch.cuda.default_stream(self._device))  # which may still fill the device's memory
            with torch.cuda.stream(stream) if stream else contextlib.nullcontext():
                for step in steps:
                    self._give(step, stream.record_event() if stream else None)
                    if self._over.is_set():
                        return
        except Exception as error:
            self._give(error, None)

    def _give(self, step: Step | None | Exception, ready: torch.cuda.Event | None) -> None:
        while not self._over.is_set():
            with contextlib.suppress(queue.Full):
                self._made.put((step, ready), timeout=POLL_S)
                return


class _Waiting:
    """A queue of rows, taken a few at a time."""

    def __init__(self) -> None:
        self._rows: deque[Rows] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Rows) -> None:
        self._rows.append(rows)
        self._count += len(rows)

    def take(self, count: int) -> list[Rows]:
        taken = []
        self._count -= count
        while count:
            rows = self._rows.popleft()
            taken.append(rows.cut(0, count))
            if len(rows) > count:
                self._rows.appendleft(rows.cut(count))
            count -= len(taken[-1])
        return taken


class _Lanes:
    """Queues of rows, one for each lane, filled by read requests in the order of need."""

    def __init__(self, source: Source, requests: Iterator[ReadRequest]) -> None:
        self._coming: deque[int] = deque()  # lanes of the requests under way
        self._arriving = source.read(self._noted(requests))
        self._waiting: dict[int, _Waiting] = {}

    def _noted(self, requests: Iterator[ReadRequest]) -> Iterator[ReadRequest]:
        for request in requests:
            self._coming.append(request.lane)
            yield request

    def take(self, lane: int, count: int) -> list[Rows]:
        """Take the next patches of a lane."""
        waiting = self._waiting.setdefault(lane, _Waiting())
        while len(waiting) < count:
            rows = next(self._arriving)
            self._waiting.setdefault(self._coming.popleft(), _Waiting()).add(rows)
        return waiting.take(count)


def _by_need(lanes: dict[int, Iterator[ReadRequest]]) -> Iterator[ReadRequest]:
    """Yield the requests of all lanes in the order in which steps need them."""
    given = [(0, lane) for lane in lanes]
    heapq.heapify(given)
    while given:
        count, lane = heapq.heappop(given)
        request = next(lanes[lane], None)
        if request is not None:
            yield request
            heapq.heappush(given, (count + len(request.order), lane))
