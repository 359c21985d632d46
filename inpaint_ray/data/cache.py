"""A node's decoded patches: files that all its processes map into memory, filled as row groups are first read.

Shapes: P = patches of a shard, T = frames, F = bins.
"""

import errno
import fcntl
import hashlib
import os
import shutil

import numpy as np

from inpaint_ray.audio.patches import PATCH_BINS, PATCH_FRAMES
from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import ROW_GROUP_PATCHES, PatchRows, read_row_group

PAGE = 4096  # where parts of a file begin
KEPT_FREE = 0.1  # of the disk that a cache leaves
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
IDENTITY = np.dtype([("track_id", "<i8"), ("patch", "<i2"), ("genre", "<i2")])


class PatchCache:
    """The patches of a data set as the shards have them, decoded, in a local folder.

    A file for each shard: a byte for each row group, 1 once it is whole; who each patch is; the magnitudes, (P, T, F).
    Files have holes where nothing was read yet. What a kill leaves is a row group that is not marked, or whole.

    Args:
        folder: on a disk of this machine; made where it is absent.
        dataset: whose shards these are; its contents are part of the files' names.
    """

    def __init__(self, folder: str, dataset: Dataset) -> None:
        self._folder, self._contents = folder, f"{dataset.uri} {dataset.contents} {dataset.wall_s}"
        self._dtype = np.dtype(dataset.dtype)
        self._genres = sorted({genre for by_genre in dataset.patches.values() for genre in by_genre})
        self._maps: dict[str, _Map] = {}
        os.makedirs(folder, exist_ok=True)

    def read(self, uri: str, num_rows: int, row_group: int) -> PatchRows:
        """Read a row group: a view of what is cached, or from its shard, which fills the cache where there is room.

        Args:
            uri: of the shard.
            num_rows: P.
            row_group: its number in the shard.
        """
        of_shard = self._map(uri, num_rows)
        if not of_shard.done[row_group]:
            with open(self._path(uri), "r+b") as file:
                # Processes that want the same one wait for the first. Threads of one do not, and write the same twice.
                fcntl.lockf(file, fcntl.LOCK_EX, 1, row_group)
                if not of_shard.done[row_group]:
                    rows = read_row_group(uri, row_group)
                    if not self._write(file.fileno(), of_shard, row_group, rows):
                        return rows
        here = slice(row_group * ROW_GROUP_PATCHES, (row_group + 1) * ROW_GROUP_PATCHES)
        identity = of_shard.identity[here]
        genres = [self._genres[code] for code in identity["genre"]]
        return PatchRows(identity["track_id"], genres, identity["patch"], of_shard.magnitudes[here])

    def has(self, uri: str, num_rows: int, row_group: int) -> bool:
        """Whether a row group is whole."""
        return bool(self._map(uri, num_rows).done[row_group])

    def _map(self, uri: str, num_rows: int) -> "_Map":
        if uri not in self._maps:
            self._maps[uri] = _Map(self._path(uri), num_rows, self._dtype)
        return self._maps[uri]

    def _path(self, uri: str) -> str:
        return os.path.join(self._folder, hashlib.sha256(f"{self._contents} {uri}".encode()).hexdigest()[:32])

    def _write(self, file: int, of_shard: "_Map", row_group: int, rows: PatchRows) -> bool:
        """Fill in a row group; False where the disk has no room for it."""
        disk = shutil.disk_usage(self._folder)
        if disk.free - rows.magnitudes.nbytes < KEPT_FREE * disk.total:
            return False
        start, identity = row_group * ROW_GROUP_PATCHES, np.empty(len(rows.patch), dtype=IDENTITY)
        identity["track_id"], identity["patch"] = rows.track_id, rows.patch
        identity["genre"] = np.searchsorted(self._genres, rows.genre)
        try:  # written, not through the map: a full disk is an error there and a signal here
            for values, place in (
                (identity, of_shard.identity_at + start * IDENTITY.itemsize),
                (rows.magnitudes, of_shard.magnitudes_at + start * rows.magnitudes[0].nbytes),
            ):
                _write_all(file, np.ascontiguousarray(values).view(np.uint8).reshape(-1).data, place)
            os.fdatasync(file)
            os.pwrite(file, b"\1", row_group)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return False
        return True


class _Map:
    """A file of the cache in memory."""

    def __init__(self, path: str, num_rows: int, dtype: np.dtype) -> None:
        num_row_groups = -(-num_rows // ROW_GROUP_PATCHES)
        self.identity_at = _next_page(num_row_groups)
        self.magnitudes_at = _next_page(self.identity_at + num_rows * IDENTITY.itemsize)
        shape = (num_rows, PATCH_FRAMES, PATCH_BINS)
        size = self.magnitudes_at + int(np.prod(shape)) * dtype.itemsize
        with open(path, "a+b") as file:  # before it is locked: closing a file drops a process's locks of it
            if os.fstat(file.fileno()).st_size < size:
                os.truncate(file.fileno(), size)  # a hole; the same size for every process
            bytes_ = np.memmap(file, dtype=np.uint8, mode="r", shape=(size,))
        self.done = bytes_[:num_row_groups]
        self.identity = bytes_[self.identity_at :][: num_rows * IDENTITY.itemsize].view(IDENTITY)
        self.magnitudes = bytes_[self.magnitudes_at :].view(dtype).reshape(shape)


def _next_page(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _write_all(file: int, data: memoryview, place: int) -> None:
    while data:
        written = os.pwrite(file, data, place)
        data, place = data[written:], place + written
