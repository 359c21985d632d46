"""Claims of output folders, which must lie apart from the input and be new or the job's own."""

import json
import os
import posixpath
from collections.abc import Iterable

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.names import printable
from inpaint_ray.storage import StoredFile
from inpaint_ray.version import VERSION

CLAIM = "claim.json"  # in the job's folder of an output; written before anything else
EARLIER = {
    "_restore": "_restore/run.json",
    "_undo": "_restore/undo.json",
    "_evaluate": "results.json",
}  # without claims


def claim(flag: str, output: str, folder: str, made_from: dict[str, str]) -> None:
    """Mark an output as the place of one job's results, so that the job may replace them when it runs again.

    Args:
        flag: that names the output.
        output: new, empty, or claimed before with the same `made_from`.
        folder: of the job below the output, such as `_restore`, in which the claim lies.
        made_from: settings that the results depend on and no run may change.

    Raises:
        UsageError: the output holds results of other settings, something else, or a damaged claim.
    """
    uri = storage.join(output, folder, CLAIM)
    text = json.dumps({"made_from": made_from, "inpaint_ray": VERSION})
    try:
        claimed = json.loads(storage.read_bytes(uri))["made_from"]
        differing = [name for name, value in made_from.items() if claimed[name] != value]
    except FileNotFoundError:
        _check_empty(flag, output, folder, text)
        storage.write_bytes(uri, f"{text}\n".encode())
        return
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{uri}: damaged; give a new {flag}, or write into that file: {text}") from error
    if differing:
        of = ", ".join(f"{name} {claimed[name]}" for name in differing)
        raise UsageError(
            f"{flag} {output} holds results of {of}; give another folder or, if that was only renamed, "
            f"write into {uri}: {text}"
        )


def read_claim(output: str, folder: str) -> dict[str, str]:
    """Read the settings that the results of a job depend on.

    Raises:
        UsageError: the claim is missing or damaged.
    """
    uri = storage.join(output, folder, CLAIM)
    try:
        return dict(json.loads(storage.read_bytes(uri))["made_from"])
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{uri}: missing or damaged; run the job again: it says what must stand there") from error


def check_apart(flag: str, target: str, other_flag: str, other: str) -> None:
    """Check that neither of two folders lies in the other, so that no input is overwritten.

    Raises:
        UsageError: one does, links and ".." resolved.
    """
    if holds(target, other) or holds(other, target):
        raise UsageError(f"{flag} {target} and {other_flag} {other}: one lies inside the other; give a separate folder")


def holds(folder: str, uri: str) -> bool:
    """Return True if a URI is a folder, or lies below it."""
    return f"{_real(uri)}/".startswith(f"{_real(folder)}/")


def held(folder: str, files: Iterable[StoredFile]) -> StoredFile | None:
    """Return the first of some files that lies in a folder, by its name or by a link; None where none does."""
    within: dict[str, bool] = {}  # of folders, in which many files lie
    for file in files:
        parent = posixpath.dirname(file.uri)
        if parent not in within:
            within[parent] = holds(folder, parent)
        if within[parent] or (storage.is_local(file.uri) and _is_link(file.uri) and holds(folder, file.uri)):
            return file
    return None


def _check_empty(flag: str, output: str, folder: str, text: str) -> None:
    """Check that an output without a claim is empty but for an unfinished claim.

    Raises:
        UsageError: it does.
    """
    own = f"{folder}/{CLAIM}"
    names = [file.name for file in storage.list_files(output)]
    foreign = [name for name in names if storage.UNFINISHED.sub("", name) != own]
    if any(name.startswith(f"{folder}/records/") for name in foreign):
        raise UsageError(f"{flag} {output} lacks {own}; give a new folder, or write into that file: {text}")
    if EARLIER.get(folder) in foreign:
        raise UsageError(
            f"{flag} {output} holds results of an earlier version ({EARLIER[folder]}), whose records this one does not "
            "read; give a new folder"
        )
    if foreign:
        raise UsageError(f"{flag} {output} holds something else ({printable(foreign[0])}); give an empty or new folder")


def _is_link(uri: str) -> bool:
    return os.path.islink(storage.locate(uri)[1])


def _real(uri: str) -> str:
    return (os.path.realpath(storage.locate(uri)[1]) if storage.is_local(uri) else uri).rstrip("/")
