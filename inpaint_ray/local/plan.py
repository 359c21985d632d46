"""The plan of a repair: source and target of each file, checked before the first is read."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.ledger.claims import check_apart
from inpaint_ray.local.config import RepairConfig
from inpaint_ray.names import printable, to_path
from inpaint_ray.restore.archive import SourceFile, list_archive, source_files
from inpaint_ray.restore.config import AUTO
from inpaint_ray.restore.marks import read_marks
from inpaint_ray.storage import StoredFile

REPAIRED = ".repaired"  # before the suffix of what is written beside its input


@dataclass(frozen=True)
class Task:
    """A file to repair."""

    source: SourceFile
    label: str  # its name in messages
    folder: str  # path of what is written
    name: str  # below the folder; a repair that changes the container adds a suffix
    beside: bool  # it is written beside its input, and not at all where nothing is found

    def target(self, output: str) -> Path:
        """Return the path of the output.

        Args:
            output: name that the restoration gave it, whose suffix may be another than the source's.
        """
        return Path(self.folder, f"{to_path(self.name)}{to_path(output.removeprefix(self.source.name))}")


def plan(config: RepairConfig) -> tuple[list[Task], list[tuple[str, str]]]:
    """List the files to repair.

    Returns:
        The files to repair; and marks that belong to none of them, with the reason.

    Raises:
        UsageError: a file or folder is not there, an output would be an input, or two would have one name.
    """
    tasks: list[Task] = []
    unmatched: list[tuple[str, str]] = []
    for given in dict.fromkeys(config.files):
        uri = _local(given)
        is_folder = os.path.isdir(to_path(uri))
        if is_folder and config.output is None:
            raise UsageError(f"{given} is a folder: give --output FOLDER for the repaired files")
        if is_folder and config.output is not None:
            check_apart("--output", _local(config.output), "the folder", uri)
        restoration = replace(
            config.as_restoration(uri), gaps=config.gaps if _is_word(config.gaps) else storage.absolute(config.gaps)
        )
        files = list_archive(restoration) if is_folder else [_file(given, uri)]
        marks = None if config.gaps == AUTO else read_marks(restoration, files)
        if marks is not None and is_folder:
            unmatched += marks.unmatched.items()
        for source in source_files(restoration, files, model="", marks=marks):
            tasks.append(_task(config, given, source, is_folder=is_folder))
    _check_targets(tasks)
    return tasks, unmatched


def _is_word(gaps: str) -> bool:
    return gaps in (AUTO, "beside")


def _local(given: str) -> str:
    if not storage.is_local(given):
        raise UsageError(f"{given}: is not on this machine; inpaint-ray restore works on buckets")
    return storage.absolute(given)


def _file(given: str, uri: str) -> StoredFile:
    found = storage.find_file(uri, PurePosixPath(uri).name)
    if found is None:
        raise UsageError(f"{given}: {storage.why_absent(uri) or 'no file'}")
    return found


def _task(config: RepairConfig, given: str, source: SourceFile, *, is_folder: bool) -> Task:
    if config.output is not None:
        label = f"{given.rstrip('/')}/{source.name}" if is_folder else given
        return Task(source, printable(label), to_path(storage.absolute(config.output)), source.name, beside=False)
    path = PurePosixPath(source.name)
    folder = os.path.dirname(to_path(source.uri))
    return Task(source, printable(given), folder, f"{path.stem}{REPAIRED}{path.suffix}", beside=True)


def _check_targets(tasks: list[Task]) -> None:
    """Check that no output is an input or another's output.

    Raises:
        UsageError: one is.
    """
    inputs = {os.path.realpath(to_path(task.source.uri)): task for task in tasks}
    targets: dict[Path, Task] = {}
    for task in tasks:
        for target in _possible(task):
            if (other := inputs.get(os.path.realpath(target))) is not None:
                raise UsageError(f"{task.label} would be written over the input {other.label}; give another --output")
        other = targets.setdefault(task.target(task.source.name), task)
        if other is not task:
            raise UsageError(f"{other.label} and {task.label} would both be {task.name}; repair them one by one")


def _possible(task: Task) -> Iterator[Path]:
    """Yield the names that a repair may give a file: with its own suffix, or another."""
    yield from (task.target(f"{task.source.name}{suffix}") for suffix in ("", ".flac", ".wav"))
