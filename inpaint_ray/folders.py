"""Local folders: the files below one, and temporary names of unfinished files."""

import difflib
import errno
import os
import re
import stat
import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from inpaint_ray.names import LONGEST

UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.tmp$")  # ends the name of a file until it is whole
DEAD_LINK = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES)
REFUSED_NAME = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EILSEQ)


def list_folder(root: str) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield the files below a folder with their status; nothing where it is absent.

    Links are followed, but each folder is listed once: under its own name if it lies below `root`, else under that of
    the first link to it. A link that leads nowhere is a file without a status. Pipes and devices are left out.

    Yields:
        Names relative to `root`, as the operating system has them, in no order.

    Raises:
        OSError: a folder cannot be read.
    """
    folders, links = deque([""]), deque[str]()
    seen: set[tuple[int, int]] = set()
    while folders or links:
        folder = (folders or links).popleft()  # links last, so that a folder is found under its own name first
        try:
            status = os.stat(os.path.join(root, folder))
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(os.path.join(root, folder)), key=lambda entry: entry.name)
        except FileNotFoundError:  # absent, or deleted since
            continue
        for entry in entries:
            name = os.path.join(folder, entry.name)
            status_of = _status(entry)
            if status_of is not None and stat.S_ISDIR(status_of.st_mode):
                (links if entry.is_symlink() else folders).append(name)
            elif entry.is_symlink() if status_of is None else stat.S_ISREG(status_of.st_mode):
                yield name, status_of


def temporary_path(path: str) -> Path:
    """Return a new name beside a file, which ends as `UNFINISHED` says; the file's own is cut if both are too long."""
    folder, name = os.path.split(path)
    ending = f".{uuid.uuid4().hex}.tmp"
    return Path(folder, os.fsencode(name)[: LONGEST - len(ending)].decode(errors="ignore") + ending)


def nearest(path: str) -> str:
    """Return the end of a message on a missing path: the closest name beside it; "" where none is close."""
    folder, name = os.path.split(path.rstrip("/"))
    try:
        near = difflib.get_close_matches(name, os.listdir(folder), n=1)
    except OSError:
        return f"; nor is there a folder {folder}"
    return f"; did you mean {os.path.join(folder, near[0])}?" if near else ""


def why_refused(path: str) -> str:
    """Return the reason why no file can have this name here, or "" where it can."""
    try:
        return "a folder has this name" if stat.S_ISDIR(os.stat(path).st_mode) else ""
    except OSError as error:  # such as: not there yet
        return os.strerror(error.errno) if error.errno in REFUSED_NAME else ""


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of an entry, links followed; None where there is no such file."""
    try:
        return entry.stat()
    except OSError as error:
        if error.errno not in DEAD_LINK:
            raise
        return None
