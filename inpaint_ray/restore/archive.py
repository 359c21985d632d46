"""The files of an archive, with all that decides the result of each."""

import csv
import hashlib
import io
import json
import posixpath
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from inpaint_ray import storage
from inpaint_ray.data.tracks import is_audio
from inpaint_ray.errors import UsageError
from inpaint_ray.finding.labels import LabelError, read_labels
from inpaint_ray.ledger.items import Item
from inpaint_ray.names import printable
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.decisions import Decided, to_text
from inpaint_ray.restore.difference import removed_name
from inpaint_ray.restore.manifest import FOLDER
from inpaint_ray.restore.marks import Marks
from inpaint_ray.storage import StoredFile
from inpaint_ray.terminal import say
from inpaint_ray.version import VERSION

MOST_NAMES = 3  # of skipped files
LISTS = (".txt", ".csv")  # an input with such a suffix is a list of files


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile(Item):
    """A file of the archive to restore."""

    settings: str = ""  # fingerprint of all that decides the result, the bytes apart
    labels: str | None = None  # its gaps as `read_labels` reads them; None where they are to be found
    labels_from: str = ""  # the file that has them
    taken: tuple[str, ...] = ()  # names that its results must not have: other files of the archive
    decided: str = ""  # decisions on its repairs: see `decisions.to_text`

    @property
    def has_copies(self) -> bool:
        """Return True where other copies may supply gaps that are too long to fill otherwise."""
        return False


def list_archive(config: RestoreConfig) -> list[StoredFile]:
    """List every audio file of the input; below a folder an earlier restoration's _restore folder is skipped.

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
        there = [file for file in storage.list_files(config.input) if not file.name.startswith(f"{FOLDER}/")]
        files = [file for file in there if is_audio(file.name)]
        _print_skipped([file.name for file in there if not is_audio(file.name)])
    if not files and (absent := storage.why_absent(config.input)):
        raise UsageError(f"--input {config.input}: {absent}")
    if not files:
        raise UsageError(
            f"--input {config.input}: no audio file there; give the folder, prefix or list that has the archive"
        )
    return files


def _print_skipped(names: list[str]) -> None:
    """Print which files are skipped because their names are not those of audio."""
    if names:
        examples = ", ".join(map(printable, sorted(names)[:MOST_NAMES])) + (", ..." if len(names) > MOST_NAMES else "")
        count = "1 file" if len(names) == 1 else f"{len(names)} files"
        say(f"skipped {count}, not audio by name: {examples}")


def fingerprint(config: RestoreConfig, model: str, labels: str | None = None) -> str:
    """Return a digest of the settings that decide a file's result, and of the stretches of its labels."""
    settings: list[object] = [VERSION, config.method, config.effort, config.output_format, config.min_gap_ms, model]
    settings += [config.proof.difference, config.proof.md5, config.proof.bag, sorted(config.find)]
    settings += [config.sensitivity, config.headroom_db, "with copies", labels]
    if labels is not None:
        with suppress(LabelError):  # damaged ones are their text
            settings[-1] = [[*label[:3], label.kind] for label in read_labels(labels)]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def source_files(
    config: RestoreConfig,
    files: list[StoredFile],
    *,
    model: str,
    marks: Marks | None,
    decided: Mapping[str, Decided] | None = None,
) -> Iterator[SourceFile]:
    """Yield each file of the archive with its settings and marks.

    Args:
        config: of the run.
        files: of the archive.
        model: digest of the model that the run uses (see `identify`).
        marks: the gaps that people marked; None where they are to be found.
        decided: what people decided of repairs, by name of the file.
    """
    of = {} if marks is None else marks.of
    settings = {labels: fingerprint(config, model, labels) for labels in {None, *(mark.labels for mark in of.values())}}
    names = {file.name for file in files}
    for file in files:
        labels, labels_from = of.get(file.name, (None, ""))
        taken = tuple(name for name in _results(file.name, config) if name in names)
        decisions = to_text(decided[file.name]) if decided and file.name in decided else ""
        identity = json.dumps([settings[labels], file.size, file.etag, taken, decisions])
        yield SourceFile(
            uri=file.uri,
            name=file.name,
            size=file.size,
            etag=file.etag,
            fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:16],
            settings=settings[labels],
            labels=labels,
            labels_from=labels_from,
            taken=taken,
            decided=decisions,
        )


def _results(name: str, config: RestoreConfig) -> list[str]:
    """Return the names that a file's results may get beside its own."""
    results = [f"{name}.flac", f"{name}.wav"]
    if config.proof.difference:
        results.append(f"{name}.flac.wav")
        results += [removed_name(each) for each in (name, *results)]
    return results


def output_name(source: SourceFile, suffix: str = "") -> str:
    """Return the source's name, with a suffix after its own where the container changes.

    Raises:
        ValueError: the name would lead out of the output, into the report's folder, or is another file's.
    """
    name = f"{source.name}{suffix}"
    check_free(source, name)
    storage.safe_name(name)
    if storage.UNFINISHED.search(name):
        raise ValueError(f"name {name!r} is reserved for unfinished files; rename the file")
    if PurePosixPath(name).parts[0] == FOLDER:
        raise ValueError(f"name {name!r} would lie in the report's folder")
    return name


def check_free(source: SourceFile, name: str) -> None:
    """Check that a result does not take the name of another file of the archive.

    Raises:
        ValueError: it would.
    """
    if name in source.taken:
        raise ValueError(f"the result would be named {name}, which is another file of the archive; rename one of them")


def _read_list(uri: str) -> list[StoredFile]:
    """Read the files that a list names, each once, one in a line or in the first column.

    A first line `name` or `uri` is a heading. Spaces around an entry count where there is a file of just that name.

    Raises:
        UsageError: there is no such list, it is no text, or two of its files would get one name.
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
    named: dict[str, StoredFile] = {}
    for file in files.values():
        other = named.setdefault(file.name, file)
        if other is not file:
            raise UsageError(f"--input {uri}: {other.uri} and {file.uri} would both be restored as {file.name}")
    return list(files.values())


def _find(folder: str, entry: str) -> StoredFile:
    """Look up the file that an entry of a list in this folder names; "./" and "x/.." are resolved by text alone."""
    places = [_place(folder, each) for each in dict.fromkeys((entry, entry.strip()))]
    files = (storage.find_file(uri, name) for uri, name in places)
    uri, name = places[-1]
    return next((file for file in files if file), StoredFile(uri=uri, name=name, size=0))


def _place(folder: str, entry: str) -> tuple[str, str]:
    """Return the URI and the name of an entry."""
    if "://" in entry or entry.startswith("/"):
        uri = storage.absolute(entry)
        return uri, (uri.partition("://")[2] or uri).lstrip("/")
    uri = storage.absolute(storage.join(folder, posixpath.normpath(entry)))
    inside = storage.join(folder, "")
    return uri, uri.removeprefix(inside) if uri.startswith(inside) else uri.lstrip("/")
