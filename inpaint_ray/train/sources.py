"""Sources of patches for batches: the memory of the node, or of the device. Plain torch, no Ray.

Shapes: B = patches of a batch, T = frames, F = bins.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaint_ray.data.cache import PatchCache
from inpaint_ray.data.shards import ROW_GROUP_PATCHES, PatchRows, read_row_group
from inpaint_ray.errors import JobFailedError
from inpaint_ray.train.order import ReadRequest, RowSpan

READERS = 2  # threads that decode; Arrow lets go of Python's lock for nearly all of it
AHEAD = 8  # row groups that are read before they are needed
BUFFERS = 2  # batches on their way to a device
FREE_SHARE = 0.6  # of a device's free memory that patches may take; training needs the rest


@dataclass(frozen=True)
class Rows:
    """A selection of patches, in order."""

    of: PatchRows
    chosen: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.chosen)

    def cut(self, start: int, stop: int | None = None) -> "Rows":
        """Return a part of the selection."""
        return Rows(self.of, self.chosen[start:stop])


class Source(Protocol):
    """A store of patches."""

    def read(self, requests: Iterable[ReadRequest]) -> Iterator[Rows]:
        """Yield the rows of each request, in order."""

    def gather(self, parts: list[Rows]) -> Tensor:
        """Gather their magnitudes, (B, T, F), on the device; valid until BUFFERS further calls."""


class HostSource:
    """Patches in the memory of the node: views of its cache, or row groups that are read ahead of their use.

    Args:
        shards: URI -> patches.
        cache: of the node, or None.
        device: which magnitudes go to.
    """

    def __init__(self, shards: Mapping[str, int], cache: PatchCache | None, device: torch.device) -> None:
        self._shards, self._cache, self._device = shards, cache, device
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._buffers = deque(_Buffer(device) for _ in range(BUFFERS))

    def read(self, requests: Iterable[ReadRequest]) -> Iterator[Rows]:
        """Yield the rows of each request, in order."""
        coming: deque[tuple[ReadRequest, Callable[[], PatchRows]]] = deque()
        for request in requests:
            coming.append((request, self._begin(request.span)))
            if len(coming) > AHEAD:
                request, rows = coming.popleft()
                yield Rows(rows(), request.order)
        for request, rows in coming:
            yield Rows(rows(), request.order)

    def _begin(self, span: RowSpan) -> Callable[[], PatchRows]:
        """Begin to read a row group; the returned function waits for its rows."""
        uri, row_group = span.uri, span.row_group
        if self._cache is None:
            return self._readers.submit(read_row_group, uri, row_group).result
        num_rows = min(ROW_GROUP_PATCHES, self._shards[uri] - row_group * ROW_GROUP_PATCHES)
        reading = partial(self._cache.read, uri, row_group, num_rows)
        return reading if self._cache.has(uri, row_group) else self._readers.submit(reading).result

    def gather(self, parts: list[Rows]) -> Tensor:
        """Gather their magnitudes, (B, T, F), on the device, or on their way there in the current stream."""
        self._buffers.rotate()
        return self._buffers[0].send(parts)


class DeviceSource:
    """All patches in the memory of the device.

    Args:
        shards: URI -> patches.
        source: of the patches, which are read once.
        device: which holds them.

    Raises:
        JobFailedError: the device's memory is too small for them.
    """

    def __init__(self, shards: Mapping[str, int], source: Source, device: torch.device) -> None:
        requests = [request for uri, rows in shards.items() for request in read_requests(uri, rows)]
        num_patches = sum(shards.values())
        self._device, self._first = device, dict(zip(shards, np.cumsum([0, *shards.values()]).tolist(), strict=False))
        genres: list[str] = []
        self._rows = PatchRows(np.empty(num_patches, np.int64), genres, np.empty(num_patches, np.int16), np.empty(0))
        self._magnitudes = torch.empty(0)
        place = 0
        for rows in source.read(requests):
            part = source.gather([rows])
            if not place:
                _check_capacity(num_patches * part[0].nbytes, device)
                self._magnitudes = torch.empty((num_patches, *part.shape[1:]), dtype=part.dtype, device=device)
            here = slice(place, place + len(rows))
            self._magnitudes[here] = part
            self._rows.track_id[here], self._rows.patch[here] = rows.of.track_id, rows.of.patch
            genres += rows.of.genre
            place = here.stop

    def read(self, requests: Iterable[ReadRequest]) -> Iterator[Rows]:
        """Yield the rows of each request, in order."""
        for request in requests:
            first = self._first[request.span.uri] + request.span.row_group * ROW_GROUP_PATCHES
            yield Rows(self._rows, request.order + first)

    def gather(self, parts: list[Rows]) -> Tensor:
        """Gather their magnitudes, (B, T, F), on the device."""
        chosen = torch.from_numpy(np.concatenate([part.chosen for part in parts]))
        return self._magnitudes.index_select(0, to_device(chosen, self._device))


class _Buffer:
    """A buffer of the host for copies to the device: pinned, so that nothing waits for them."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._sent = torch.cuda.Event() if device.type == "cuda" else None
        self._memory = torch.empty(0)

    def send(self, parts: list[Rows]) -> Tensor:
        if self._sent is not None:
            self._sent.synchronize()  # its former content has been copied
        total, some = sum(map(len, parts)), parts[0].of.magnitudes
        shape, dtype = (total, *some.shape[1:]), torch.from_numpy(np.empty(0, some.dtype)).dtype
        if len(self._memory) < total or self._memory.dtype != dtype or self._memory.shape[1:] != shape[1:]:
            self._memory = torch.empty(shape, dtype=dtype, pin_memory=self._sent is not None)
        filled, place = self._memory[:total], 0
        for part in parts:
            target = filled[place : place + len(part)].numpy()
            np.take(part.of.magnitudes, part.chosen, axis=0, out=target, mode="clip")
            place += len(part)
        if self._sent is None:
            return filled
        sent = filled.to(self._device, non_blocking=True)
        self._sent.record()
        return sent


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a small tensor to a device without waiting for it."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def read_requests(uri: str, rows: int, stride: int = 1) -> Iterator[ReadRequest]:
    """Yield a request for each row group of a shard, for every `stride`-th row in order."""
    for row_group, start in enumerate(range(0, rows, ROW_GROUP_PATCHES)):
        count = min(ROW_GROUP_PATCHES, rows - start)
        yield ReadRequest(0, RowSpan(uri, row_group, 0, count), np.arange(0, count, stride))


def _check_capacity(needed: int, device: torch.device) -> None:
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else _free_memory()
    if needed > FREE_SHARE * free:
        raise JobFailedError(
            f"--cache device: the training patches take {needed / 1e9:.1f} GB, {device} has {free / 1e9:.1f} GB free, "
            f"and training needs {1 - FREE_SHARE:.0%} of that; give a folder instead, or prepare with --dtype float16"
        )


def _free_memory() -> int:
    """Return the bytes that processes of this machine can still allocate."""
    with contextlib.suppress(OSError), open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return 2**62  # not Linux: it will be seen
