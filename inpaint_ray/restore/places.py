"""Checks of output folders: apart from the input, and new or the job's own."""

import json
import os

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.version import VERSION


def check_apart(flag: str, target: str, other_flag: str, other: str) -> None:
    """Check that neither of two places holds the other: nothing may be written over what is read.

    Raises:
        UsageError: one does, links and ".." resolved.
    """
    if holds(target, other) or holds(other, target):
        raise UsageError(f"{flag} {target} and {other_flag} {other} lie in each other; give a folder apart")


def holds(folder: str, uri: str) -> bool:
    """Tell whether a URI is a folder's, or lies below it."""
    return f"{_real(uri)}/".startswith(f"{_real(folder)}/")


def claim(flag: str, folder: str, record_name: str, key: str, source: str) -> None:
    """Mark a folder as the place of one job's results, so that the job may replace them when it runs again.

    Args:
        flag: that names the folder.
        folder: new, empty, or claimed before for the same source.
        record_name: of the record in it, which is written before anything else.
        key: of the source in the record.
        source: URI of what the results are made from.

    Raises:
        UsageError: the folder holds the results of another source, or something else.
    """
    uri = storage.join(folder, record_name)
    try:
        claimed = json.loads(storage.read_bytes(uri))[key]
    except FileNotFoundError:
        names = (file.name for file in storage.list_files(folder))
        foreign = next((name for name in names if storage.UNFINISHED.sub("", name) != record_name), None)
        if foreign is not None:
            raise UsageError(f"{flag} {folder} holds something else ({foreign}); give an empty or new folder") from None
        record = {key: source, "inpaint_ray": VERSION}
        storage.write_bytes(uri, (json.dumps(record, indent=2) + "\n").encode())
        return
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{uri}: damaged; give a new {flag}, or delete that folder") from error
    if claimed != source:
        raise UsageError(f"{flag} {folder} holds what was made of {claimed}; give another folder")


def _real(uri: str) -> str:
    return (os.path.realpath(storage.locate(uri)[1]) if storage.is_local(uri) else uri).rstrip("/")
