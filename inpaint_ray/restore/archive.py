"""Which files an archive has, and which of them are still to be restored."""

import csv
import hashlib
import io
import json
import posixpath
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from inpaint_ray import storage
from inpaint_ray.data.tracks import is_audio
from inpaint_ray.errors import UsageError
from inpaint_ray.finding.labels import LabelError, read_labels
from inpaint_ray.models.checkpoint import Checkpoint
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.manifest import FOLDER, ManifestRow
from inpaint_ray.restore.marks import Marks
from inpaint_ray.storage import StoredFile
from inpaint_ray.version import VERSION

LISTS = (".txt", ".csv")  # of the input: what names its files


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file of the archive that is to be restored; its fields are a row of the job."""

    uri: str
    name: str  # relative to the input
    size: int  # bytes
    etag: str = ""  # of its bytes
    settings: str = ""  # fingerprint of all that decides the result, the bytes apart
    model: str = ""  # digest of the network; "" without one
    labels: str | None = None  # its gaps as `read_labels` reads them; None where they are to be found
    labels_from: str = ""  # the file that has them
    replaces: str = ""  # what an earlier run wrote for it
    taken: tuple[str, ...] = ()  # names that its result must not have: other files of the archive


def list_archive(config: RestoreConfig) -> list[StoredFile]:
    """Every audio file of the input; below a folder an earlier restoration's _restore folder is passed over.

    A file of a list keeps its name there if that is relative and stays in the list's folder, else its whole path. One
    that does not exist is listed with a size of 0, and fails when it is read.

    Raises:
        UsageError: there is none.
    """
    suffix = PurePosixPath(config.input).suffix.lower()
    if suffix in LISTS:
        files = _read_list(config.input)
    elif is_audio(config.input) and (single := storage.find_file(config.input, PurePosixPath(config.input).name)):
        files = [single]
    else:
        files = [
            file
            for file in storage.list_files(config.input)
            if is_audio(file.name) and not file.name.startswith(f"{FOLDER}/")
        ]
    if not files:
        raise UsageError(
            f"--input {config.input}: no audio file there; give the folder, prefix or list that has the archive"
        )
    return files


def identify(checkpoint: Checkpoint | None) -> str:
    """A digest of a model, wherever its folder lies; "" without one."""
    if checkpoint is None:
        return ""
    digest = hashlib.sha256(json.dumps([checkpoint.architecture, checkpoint.scale]).encode())
    for name, tensor in checkpoint.model.state_dict().items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def fingerprint(config: RestoreConfig, model: str, labels: str | None = None) -> str:
    """Return a digest of all that decides what a file becomes, its own bytes apart; of labels, the stretches alone."""
    settings: list[object] = [VERSION, config.method, config.output_format, config.min_gap_ms, model, labels]
    if labels is not None:
        with suppress(LabelError):  # damaged ones are their text
            settings[-1] = [label[:3] for label in read_labels(labels)]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def plan(
    config: RestoreConfig,
    files: list[StoredFile],
    *,
    model: str,
    marks: Marks | None,
    earlier: dict[str, ManifestRow],
    present: dict[str, int],
) -> tuple[list[SourceFile], list[ManifestRow]]:
    """The files to restore, largest first, so that no long one is left for the end; and the rows of finished ones.

    A file is finished when its earlier row has the same source size, ETag and settings, and its output stands, whole,
    or the same bytes failed before and are not to be tried again.

    Args:
        config: of the run.
        files: of the archive.
        model: digest of the model that the run uses (see `identify`).
        marks: the gaps that people marked; None where they are to be found.
        earlier: name -> row of earlier runs.
        present: name -> size of what stands in the output.
    """
    of = {} if marks is None else marks.of
    settings = {labels: fingerprint(config, model, labels) for labels in {None, *(mark.labels for mark in of.values())}}
    names = {file.name for file in files}
    todo, done = [], []
    for file in files:
        labels, labels_from = of.get(file.name, (None, ""))
        row = earlier.get(file.name)
        again = row is not None and row.status == "failed" and config.retry_failed
        if row is not None and not again and _is_finished(row, file, settings[labels], present):
            done.append(row)
            continue
        taken = tuple(name for name in (f"{file.name}.flac", f"{file.name}.wav") if name in names)
        todo.append(
            SourceFile(
                uri=file.uri,
                name=file.name,
                size=file.size,
                etag=file.etag,
                settings=settings[labels],
                model=model,
                labels=labels,
                labels_from=labels_from,
                replaces=row.output if row else "",
                taken=taken,
            )
        )
    return sorted(todo, key=lambda source: -source.size), done


def output_name(source: SourceFile, suffix: str = "") -> str:
    """The source's name, with a suffix after its own where the container changes.

    Raises:
        ValueError: the name would lead out of the output, into the report's folder, or is another file's.
    """
    name = f"{source.name}{suffix}"
    if name in source.taken:
        raise ValueError(f"the result would be named {name}, which is another file of the archive; rename one of them")
    storage.safe_name(name)
    if PurePosixPath(name).parts[0] == FOLDER:
        raise ValueError(f"name {name!r} would lie in the report's folder")
    return name


def _is_finished(row: ManifestRow, file: StoredFile, settings: str, present: dict[str, int]) -> bool:
    same = (row.source_size, row.source_etag, row.settings) == (file.size, file.etag, settings)
    return same and (row.status == "failed" or present.get(row.output) == row.output_size)


def _read_list(uri: str) -> list[StoredFile]:
    """The files that a list names, each once, one in a line or in the first column.

    A first line `name` or `uri` is a heading. Spaces around an entry count where there is a file of just that name.

    Raises:
        UsageError: there is no such list, or it is no text.
    """
    try:
        text = storage.read_bytes(uri).decode("utf-8-sig", "surrogateescape")  # names may be any bytes
    except FileNotFoundError:
        raise UsageError(f"--input {uri}: no such file") from None
    if "\0" in text:
        raise UsageError(f"--input {uri}: not a text file")
    if uri.lower().endswith(".csv"):
        entries = [row[0] for row in csv.reader(io.StringIO(text, newline="")) if row]
    else:
        entries = [line.removesuffix("\r") for line in text.split("\n")]
    entries = [entry for entry in dict.fromkeys(entries) if entry.strip()]
    if entries and entries[0].strip().lower() in ("name", "uri"):
        del entries[0]
    with ThreadPoolExecutor(16) as pool:
        files: dict[str, StoredFile] = {}
        for file in pool.map(partial(_find, storage.absolute(posixpath.dirname(uri))), entries):
            files.setdefault(file.uri, file)
    return list(files.values())


def _find(folder: str, entry: str) -> StoredFile:
    """The file that an entry of a list in this folder names; "./" and "x/.." in it lead where they seem to."""
    places = [_place(folder, each) for each in dict.fromkeys((entry, entry.strip()))]
    files = (storage.find_file(uri, name) for uri, name in places)
    uri, name = places[-1]
    return next((file for file in files if file), StoredFile(uri=uri, name=name, size=0))


def _place(folder: str, entry: str) -> tuple[str, str]:
    """The URI and the name of an entry."""
    if "://" in entry or entry.startswith("/"):
        uri = storage.absolute(entry)
        return uri, (uri.partition("://")[2] or uri).lstrip("/")
    uri = storage.absolute(storage.join(folder, posixpath.normpath(entry)))
    inside = storage.join(folder, "")
    return uri, uri.removeprefix(inside) if uri.startswith(inside) else uri.lstrip("/")
