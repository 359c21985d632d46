"""Which files an archive has, and which of them are still to be restored."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from inpaint_ray import storage
from inpaint_ray.data.tracks import is_audio
from inpaint_ray.errors import UsageError
from inpaint_ray.models.checkpoint import Checkpoint
from inpaint_ray.restore.config import AUTO, RestoreConfig
from inpaint_ray.restore.manifest import FOLDER, ManifestRow
from inpaint_ray.storage import StoredFile
from inpaint_ray.version import VERSION


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file of the archive that is to be restored; its fields are a row of the job."""

    uri: str
    name: str  # relative to the input
    size: int  # bytes
    settings: str = ""  # fingerprint of all that decides the result, the bytes apart
    labels: str | None = None  # the text of its label track; None where gaps are found
    replaces: str = ""  # what an earlier run wrote for it
    taken: tuple[str, ...] = ()  # names that its result must not have: other files of the archive


def list_archive(config: RestoreConfig) -> list[StoredFile]:
    """Every audio file below the input, by name; an earlier restoration's _restore folder is passed over.

    Raises:
        UsageError: there is none.
    """
    files = [
        file
        for file in storage.list_files(config.input)
        if is_audio(file.name) and not file.name.startswith(f"{FOLDER}/")
    ]
    if not files:
        raise UsageError(
            f"--input {config.input}: no audio file there; give the folder or prefix that holds the archive"
        )
    return files


def read_label_tracks(config: RestoreConfig, files: list[StoredFile]) -> dict[str, str]:
    """Name of a recording -> text of its label track, NAME.txt in place of its suffix or after it; "" without one.

    Raises:
        UsageError: no recording has a label track, or one is not text.
    """
    tracks = {file.name: file for file in storage.list_files(config.gaps)}
    texts = {}
    for file in files:
        names = (f"{file.name}.txt", str(PurePosixPath(file.name).with_suffix(".txt")))
        track = next((tracks[name] for name in names if name in tracks), None)
        try:
            texts[file.name] = storage.read_bytes(track.uri).decode("utf-8") if track else ""
        except UnicodeDecodeError as error:
            raise UsageError(f"--gaps {track.uri if track else ''}: not a text file: {error}") from error
    if not any(texts.values()):
        raise UsageError(
            f"--gaps {config.gaps}: no label track there; give a folder with NAME.txt for NAME.wav, or auto"
        )
    return texts


def identify(checkpoint: Checkpoint | None) -> str:
    """A digest of a model, wherever its folder lies; "" without one."""
    if checkpoint is None:
        return ""
    digest = hashlib.sha256(json.dumps([checkpoint.architecture, checkpoint.scale]).encode())
    for name, tensor in checkpoint.model.state_dict().items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def fingerprint(config: RestoreConfig, model: str, labels: str | None = None) -> str:
    """Of all that decides what a file becomes, its own bytes apart."""
    settings = [VERSION, config.method, config.output_format, model, labels]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def plan(
    config: RestoreConfig,
    files: list[StoredFile],
    *,
    model: str,
    earlier: dict[str, ManifestRow],
    present: dict[str, int],
) -> tuple[list[SourceFile], list[ManifestRow]]:
    """The files to restore, largest first, so that no long one is left for the end; and the rows of finished ones.

    A file is finished when its earlier row has the same source size and settings, and its output stands, whole, or
    the same bytes failed before.

    Args:
        config: of the run.
        files: of the archive.
        model: digest of the model that the run uses (see `identify`).
        earlier: name -> row of earlier runs.
        present: name -> size of what stands in the output.

    Raises:
        UsageError: `--gaps` names a folder without label tracks.
    """
    texts = {} if config.gaps == AUTO else read_label_tracks(config, files)
    settings = {labels: fingerprint(config, model, labels) for labels in {None, *texts.values()}}
    names = {file.name for file in files}
    todo, done = [], []
    for file in files:
        labels = texts.get(file.name)
        row = earlier.get(file.name)
        if row is not None and _is_finished(row, file.size, settings[labels], present):
            done.append(row)
            continue
        taken = tuple(name for name in (f"{file.name}.flac", f"{file.name}.wav") if name in names)
        todo.append(
            SourceFile(
                uri=file.uri,
                name=file.name,
                size=file.size,
                settings=settings[labels],
                labels=labels,
                replaces=row.output if row else "",
                taken=taken,
            )
        )
    return sorted(todo, key=lambda source: -source.size), done


def output_name(source: SourceFile, container: str, output_container: str) -> str:
    """The source's name, with a suffix after its own where the container changes.

    Raises:
        ValueError: the name would lead out of the output, into the report's folder, or is another file's.
    """
    name = source.name if container == output_container else f"{source.name}.{output_container.lower()}"
    if name in source.taken:
        raise ValueError(f"the result would be named {name}, which is another file of the archive; rename one of them")
    storage.safe_name(name)
    if PurePosixPath(name).parts[0] == FOLDER:
        raise ValueError(f"name {name!r} would lie in the report's folder")
    return name


def _is_finished(row: ManifestRow, size: int, settings: str, present: dict[str, int]) -> bool:
    same = row.source_size == size and row.settings == settings
    return same and (row.status == "failed" or present.get(row.output) == row.output_size)
