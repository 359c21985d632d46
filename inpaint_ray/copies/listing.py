"""The other copies of every file of an archive: by a list, or by their names."""

import csv
import hashlib
import io
import json
import posixpath
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import NamedTuple

from inpaint_ray import storage
from inpaint_ray.copies.config import MergeConfig
from inpaint_ray.data.tracks import is_audio
from inpaint_ray.errors import UsageError
from inpaint_ray.ledger.claims import held
from inpaint_ray.names import printable
from inpaint_ray.restore.archive import SourceFile
from inpaint_ray.restore.config import AUTO
from inpaint_ray.restore.marks import read_marks
from inpaint_ray.storage import StoredFile

STEM = "{stem}"
MOST_NAMED = 3  # files in a message


class CopyFile(NamedTuple):
    """A file that has another copy."""

    name: str  # for people: from the folder of the list or pattern on
    uri: str
    labels: str | None  # its gaps as `read_labels` reads them; None where they are to be found


@dataclass(frozen=True, kw_only=True, slots=True)
class MergedFile(SourceFile):
    """A file of the archive with its copies."""

    copies: tuple[CopyFile, ...] = ()

    @property
    def has_copies(self) -> bool:
        return bool(self.copies)


def add_copies(config: MergeConfig, sources: Iterable[SourceFile]) -> Iterator[MergedFile]:
    """Return the files of the archive with their copies, which their fingerprints depend on.

    Raises:
        UsageError: there is no copy of any file, a list cannot be read or names what is not in the archive, or a copy
            lies in the output.
    """
    files = list(sources)
    found: dict[str, list[StoredFile]] = {file.name: [] for file in files}
    for place in config.copies:
        pairs = _listed(place, files) if place.lower().endswith(".csv") else _named(place, files)
        for name, copy in pairs:
            if all(copy.uri != other.uri for other in found[name]):
                found[name].append(copy)
    copies = {copy.uri: copy for each in found.values() for copy in each}
    if not copies:
        raise UsageError(f"--copies {' '.join(config.copies)}: no copy of any file in --input {config.input}")
    inside = held(config.output, copies.values())
    if inside is not None:
        raise UsageError(f"--output {config.output} holds {inside.name} of --copies; give an output folder apart")
    labels = _labels(config, list(copies.values()))
    for file in files:
        mine = tuple(CopyFile(copy.name, copy.uri, labels.get(copy.uri)) for copy in found[file.name])
        identity = [file.fingerprint, [[*copy, copies[copy.uri].size, copies[copy.uri].etag] for copy in mine]]
        fingerprint = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        yield MergedFile(**asdict(file) | {"fingerprint": fingerprint, "copies": mine})


def _listed(place: str, files: list[SourceFile]) -> Iterator[tuple[str, StoredFile]]:
    """Yield the name of a file and a copy of it, for each line of a list."""
    uri = storage.absolute(place)
    try:
        rows = csv.DictReader(io.StringIO(storage.read_bytes(uri).decode("utf-8-sig"), newline=""))
        lines = [(number, row) for number, row in enumerate(rows, start=2) if any(row.values())]
    except FileNotFoundError:
        raise UsageError(f"--copies {place}: no such file") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"--copies {place}: not a text file: {error}") from error
    if not {"name", "copy"} <= set(rows.fieldnames or ()):
        raise UsageError(f"--copies {place}: needs the columns name and copy, has {', '.join(rows.fieldnames or ())}")
    names = {file.name: file.name for file in files} | {file.uri: file.name for file in files}
    unknown = [(number, row["name"]) for number, row in lines if row["name"] not in names]
    if unknown:
        shown = ", ".join(f"{printable(str(name))} (line {number})" for number, name in unknown[:MOST_NAMED])
        raise UsageError(f"--copies {place}: {len(unknown)} names that are not in --input: {shown}")
    for _, row in lines:
        copy = str(row["copy"] or "").strip()
        whole = "://" in copy or copy.startswith("/")
        target = storage.absolute(copy if whole else storage.join(posixpath.dirname(uri), posixpath.normpath(copy)))
        yield names[row["name"]], storage.find_file(target, copy) or StoredFile(uri=target, name=copy, size=0)


def _named(place: str, files: list[SourceFile]) -> Iterator[tuple[str, StoredFile]]:
    """Yield the name of a file and a copy of it, for each that a pattern names."""
    pattern = place if STEM in place else storage.join(place, f"{STEM}.*")
    before, _, after = pattern.partition(STEM)
    folder, _, start = before.rpartition("/")
    folder = storage.absolute(folder or ".")
    there = sorted((file for file in storage.list_files(folder) if is_audio(file.name)), key=lambda file: file.name)
    names = [file.name for file in there]
    for file in files:
        prefix = start + file.name.removesuffix(PurePosixPath(file.name).suffix)
        number = bisect_left(names, prefix)
        while number < len(names) and names[number].startswith(prefix):
            if fnmatchcase(names[number][len(prefix) :], after) and there[number].uri != file.uri:
                yield file.name, there[number]
            number += 1


def _labels(config: MergeConfig, copies: list[StoredFile]) -> dict[str, str]:
    """The marks of copies by URI, of each one; nothing where they are to be found."""
    if config.copy_gaps == AUTO:
        return {}
    named = [replace(copy, name=copy.uri) for copy in copies]
    try:
        marks = read_marks(replace(config, gaps=config.copy_gaps), named)
    except UsageError as error:
        raise UsageError(str(error).replace("--gaps", "--copy-gaps")) from None
    return {uri: mark.labels for uri, mark in marks.of.items()}
