"""A node's cache of decoded patches: a file mapped by all its processes, filled on first reading.

Shapes: P = patches of a split, T = frames, F = bins.
"""

import errno
import fcntl
import hashlib
import os
import shutil

import numpy as np

from inpaint_ray.audio.patches import PATCH_BINS, PATCH_FRAMES
from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import ROW_GROUP_PATCHES, PatchRows, read_row_group, shard_rows

PAGE = 4096  # bytes; parts of the file begin at multiples
KEPT_FREE = 0.1  # of the disk that a cache leaves
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
IDENTITY = np.dtype([("track_id", "<i8"), ("patch", "<i2"), ("genre", "<i2")])


class PatchCache:
    """The patches of a split as its shards have them, decoded, in a local folder.

    One file: a byte for each row group, 1 once it is whole; the identity of each patch; the magnitudes, (P, T, F). It
    has holes where nothing was read yet. A kill leaves row groups unmarked, or whole. The folder may be deleted at any
    time: processes keep the file that they have until they end.

    Args:
        folder: on a disk of this machine; made where it is absent.
        dataset: whose shards these are; its contents are part of the file's name.
        split: of it.
    """

    def __init__(self, folder: str, dataset: Dataset, split: str) -> None:
        self._folder = folder
        self._genres = sorted({genre for by_genre in dataset.patches.values() for genre in by_genre})
        self._first: dict[str, int] = {}  # row group of each shard, counted over all, which all but the last fill
        num_row_groups = 0
        for uri, rows in shard_rows(dataset, split).items():
            self._first[uri] = num_row_groups
            num_row_groups += -(-rows // ROW_GROUP_PATCHES)
        num_rows = num_row_groups * ROW_GROUP_PATCHES
        self._identity_at = _next_page(num_row_groups)
        self._magnitudes_at = _next_page(self._identity_at + num_rows * IDENTITY.itemsize)
        dtype = np.dtype(dataset.dtype)
        size = self._magnitudes_at + num_rows * PATCH_FRAMES * PATCH_BINS * dtype.itemsize
        contents = f"{dataset.uri} {dataset.contents} {dataset.wall_s} {split}"
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, hashlib.sha256(contents.encode()).hexdigest()[:32])
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if os.fstat(self._file).st_size < size:
            os.truncate(self._file, size)  # a hole; the same size for every process
        with os.fdopen(os.dup(self._file), "rb") as file:
            bytes_ = np.memmap(file, dtype=np.uint8, mode="r", shape=(size,))
        self._done = bytes_[:num_row_groups]
        self._identity = bytes_[self._identity_at :][: num_rows * IDENTITY.itemsize].view(IDENTITY)
        self._magnitudes = bytes_[self._magnitudes_at :].view(dtype).reshape(num_rows, PATCH_FRAMES, PATCH_BINS)

    def __del__(self) -> None:
        """Close the file, if it could be opened."""
        if hasattr(self, "_file"):
            os.close(self._file)

    def has(self, uri: str, row_group: int) -> bool:
        """Return True where a row group of a shard is cached whole."""
        return bool(self._done[self._first[uri] + row_group])

    def read(self, uri: str, row_group: int, num_rows: int) -> PatchRows:
        """Read a row group of a shard: a view of the cache, or decoded from the shard and then cached.

        Processes that want the same one wait for the first to decode it.
        """
        number = self._first[uri] + row_group
        start = number * ROW_GROUP_PATCHES
        if not self._done[number]:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, number)
            try:
                if not self._done[number]:
                    rows = read_row_group(uri, row_group)
                    self._write(number, rows)
                    return rows
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        identity = self._identity[start : start + num_rows]
        genres = [self._genres[code] for code in identity["genre"]]
        return PatchRows(identity["track_id"], genres, identity["patch"], self._magnitudes[start : start + num_rows])

    def _write(self, number: int, rows: PatchRows) -> None:
        """Write a row group to the cache, unless the disk is too full."""
        disk = shutil.disk_usage(self._folder) if os.path.exists(self._folder) else None
        if disk is None or disk.free - rows.magnitudes.nbytes < KEPT_FREE * disk.total:
            return
        start, identity = number * ROW_GROUP_PATCHES, np.empty(len(rows.patch), dtype=IDENTITY)
        identity["track_id"], identity["patch"] = rows.track_id, rows.patch
        identity["genre"] = np.searchsorted(self._genres, rows.genre)
        try:  # written, not through the map: a full disk is an error there and a signal here
            for values, place in (
                (identity, self._identity_at + start * IDENTITY.itemsize),
                (rows.magnitudes, self._magnitudes_at + start * rows.magnitudes[0].nbytes),
            ):
                _write_all(self._file, np.ascontiguousarray(values).view(np.uint8).reshape(-1).data, place)
            os.fdatasync(self._file)
            os.pwrite(self._file, b"\1", number)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise


def _next_page(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _write_all(file: int, data: memoryview, place: int) -> None:
    while data:
        written = os.pwrite(file, data, place)
        data, place = data[written:], place + written
