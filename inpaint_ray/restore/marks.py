"""Marked gaps of an archive: label tracks and lists, matched with recordings."""

import posixpath
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.finding.labels import LabelError, read_gap_list, read_labels
from inpaint_ray.restore.config import BESIDE, RestoreConfig
from inpaint_ray.storage import StoredFile

SUFFIXES = (".txt", ".json")  # of label tracks, the first that is there
_TIMES = re.compile(r"\s*[\d.,:]+\t\s*[\d.,:]+")  # the beginning of a line of a label track, damaged ones too
READERS = 16  # of label tracks at a time
MOST_BYTES = 2**22  # of a text beside the audio that may be a label track


class Mark(NamedTuple):
    """The marks of one recording."""

    labels: str = ""  # as `read_labels` reads them; "" where nothing is marked
    origin: str = ""  # URI of the file that has them


@dataclass(frozen=True)
class Marks:
    """The marks of an archive."""

    of: dict[str, Mark]  # name of a recording -> its marks, for each
    unmatched: dict[str, str] = field(
        default_factory=dict
    )  # name that marks are for, or of a label track -> the reason


def read_marks(config: RestoreConfig, files: list[StoredFile]) -> Marks:
    """Read a list of gaps, or label tracks in a folder or beside the files.

    Args:
        config: whose `gaps` says where the marks are.
        files: of the archive.

    Raises:
        UsageError: no recording has marks, or they cannot be read.
    """
    if config.gaps.lower().endswith(SUFFIXES) and len(files) == 1 and storage.exists(config.gaps):
        marks = Marks({files[0].name: Mark(_read_track(config.gaps), config.gaps)})
    else:
        marks = _read_list(config, files) if config.gaps.lower().endswith(".csv") else _read_tracks(config, files)
    if not any(mark.labels for mark in marks.of.values()):
        first = next((f"; the first: {name}: {reason}" for name, reason in marks.unmatched.items()), "")
        raise UsageError(
            f"--gaps {config.gaps}: no marks for any file{first}; give a folder with NAME.txt or NAME.json for "
            "NAME.wav, a .csv of name,start,end, beside, or auto"
        )
    return marks


def _read_list(config: RestoreConfig, files: list[StoredFile]) -> Marks:
    """Read the marks of a CSV, which names files as the archive does, or by their URIs."""
    try:
        listed = read_gap_list(storage.read_bytes(config.gaps).decode("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"--gaps {config.gaps}: no such file") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"--gaps {config.gaps}: not a text file: {error}") from error
    except LabelError as error:
        raise UsageError(f"--gaps {config.gaps}: {error}") from None
    names = {file.name: file.name for file in files} | {file.uri: file.name for file in files}
    similar = _NameSearch({file.name: file.name for file in files})
    of = {file.name: Mark("", config.gaps) for file in files}
    unmatched = {}
    for written, (labels, lines) in listed.items():
        name = names.get(written) or names.get(posixpath.normpath(written))
        if name is None:
            numbers = f"{'line' if len(lines) == 1 else 'lines'} {', '.join(map(str, lines))}"
            hint = similar.hint(written)
            unmatched[written] = f"{config.gaps} {numbers}: no file of this name in {config.input}{hint}"
        elif of[name].labels:
            raise UsageError(
                f"--gaps {config.gaps}: {name} is listed under two names, {written} is one of them; keep one"
            )
        else:
            of[name] = Mark(labels, config.gaps)
    return Marks(of, unmatched)


def _read_tracks(config: RestoreConfig, files: list[StoredFile]) -> Marks:
    """Read the marks of label tracks: NAME.txt or NAME.json in place of a file's suffix, or after it."""
    if config.gaps == BESIDE:
        places = {file.name: file.uri for file in files}
        folders = {config.input} if all(file.uri.startswith(f"{config.input}/") for file in files) else set()
        folders = folders or {uri.rpartition("/")[0] for uri in places.values()}
    else:
        places = {file.name: storage.join(config.gaps, file.name) for file in files}
        folders = {config.gaps}
    files_there = (file for folder in folders for file in storage.list_files(folder))
    present = {_lower_suffix(file.uri): file for file in files_there}
    tracks = {name: track for name, place in places.items() if (track := _find_track(place, present))}
    used = {*tracks.values(), config.input}
    left = [file for file in present.values() if file.uri.lower().endswith(SUFFIXES) and file.uri not in used]
    with ThreadPoolExecutor(READERS) as pool:
        texts = dict(zip(tracks, pool.map(_read_track, tracks.values()), strict=True))
        if config.gaps == BESIDE:  # where notes and other texts lie, too
            left = [file for file, meant in zip(left, pool.map(_is_track, left), strict=True) if meant]
    stems = {stem: name for name in places for stem in (name, _stem(name))}
    similar = _NameSearch(stems)
    unmatched = {}
    for file in left:
        stem = _stem(file.name)
        owner = stems.get(stem)
        unmatched[file.name] = (
            f"a label track of {owner}, which has another one; delete one of them"
            if owner
            else f"a label track of no audio file in {config.input}{similar.hint(stem)}"
        )
    return Marks({name: Mark(texts.get(name, ""), tracks.get(name, "")) for name in places}, unmatched)


def _find_track(place: str, present: dict[str, StoredFile]) -> str | None:
    """Find the URI of a label track, its suffix in whatever case."""
    uris = (f"{base}{suffix}" for suffix in SUFFIXES for base in (place, _stem(place)))
    return next((present[uri].uri for uri in uris if uri in present), None)


def _lower_suffix(uri: str) -> str:
    return _stem(uri) + PurePosixPath(uri).suffix.lower()


def _read_track(uri: str) -> str:
    """Read a label track; names of labels may be in any encoding, the times are ASCII."""
    return storage.read_bytes(uri).decode("utf-8", "replace")


def _is_track(file: StoredFile) -> bool:
    """Tell a label track, damaged ones too (lines such as 1,5<tab>2,5), from other texts beside the audio."""
    if file.size > MOST_BYTES:
        return False
    text = _read_track(file.uri)
    try:
        return bool(read_labels(text))
    except LabelError:
        return any(_TIMES.match(line) for line in text.splitlines())


def _stem(name: str) -> str:
    """Return a name or URI without the suffix of its last part."""
    return name[: len(name) - len(PurePosixPath(name).suffix)]


class _NameSearch:
    """A search for names that differ in case, Unicode form or folder alone."""

    def __init__(self, names: dict[str, str]) -> None:
        self._whole = {_fold(key): name for key, name in names.items()}
        self._last = {_fold(PurePosixPath(key).name): name for key, name in names.items()}

    def hint(self, name: str) -> str:
        """Return the end of a message that names the closest file; "" where nothing is close."""
        found = self._whole.get(_fold(name)) or self._last.get(_fold(PurePosixPath(name).name))
        return f" ({found} is there: case, accents and folders of names count)" if found else ""


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
