"""One file of an archive -> the restored file, its gaps and its manifest row: the work of the ledger's actors."""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import soundfile
import torch

from inpaint_ray import storage
from inpaint_ray.audio.chunks import length_of, read_chunks
from inpaint_ray.audio.decode import INTEGER_SUBTYPES
from inpaint_ray.audio.tags import copy_tags
from inpaint_ray.checkpoints import open_restorer
from inpaint_ray.errors import AudioDecodeError, UnreadableError
from inpaint_ray.finding.labels import LabelError
from inpaint_ray.ledger.items import Item
from inpaint_ray.ledger.records import Entry, RecordWriter
from inpaint_ray.metrics import count, reject
from inpaint_ray.names import one_line
from inpaint_ray.restore.archive import SourceFile, output_name
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.formats import FLOAT_BYTES, LOSSLESS, Target, choose_target
from inpaint_ray.restore.gap_table import SCHEMA
from inpaint_ray.restore.manifest import ManifestRow
from inpaint_ray.restore.repair import FindOffers, repair_file
from inpaint_ray.restore.survey import Survey, describe, survey_file

MEMORY_GIB = 0.85  # of an actor: benchmarks.restore
SAFE_PEAK = 0.25  # -12 dB: what is restored of clipping at a lower level is hardly ever above full scale
KEEPS_ALL = "--output-format wav"
NOT_AGAIN = (AudioDecodeError, LabelError, ValueError, soundfile.SoundFileError)  # the same file fails the same way


@dataclass(frozen=True)
class OtherCopies:
    """Other copies of a file: a merge has some."""

    find_offers: FindOffers | None = None
    scores: dict[str, float] = field(default_factory=dict)  # name -> score of its alignment
    notes: list[str] = field(default_factory=list)  # on those that are of no use


class Restorer:
    """Restores files; the work of a restoration."""

    memory_gib: ClassVar[float] = MEMORY_GIB  # of an actor

    item: ClassVar[type[Item]] = SourceFile
    schema: ClassVar[pa.Schema] = SCHEMA

    def __init__(self, config: RestoreConfig, model: str) -> None:
        torch.set_num_threads(1)  # the cores are busy with other files
        self.config, self.model = config, model
        checkpoint, use_gpu = config.checkpoint, config.actors.use_gpu
        self.restore_magnitudes = None if checkpoint is None else open_restorer(checkpoint, use_gpu=use_gpu)

    def __call__(self, source: SourceFile, earlier: Entry | None, record: RecordWriter) -> Entry:
        """Restore a file; one that cannot be is failed, and what an earlier attempt made of it stands."""
        started = time.monotonic()
        start = start_row(source, self.config, self.model)
        row, reliable = try_file(source, start, lambda path: self._restore(path, source, start, record))
        if row.status == "failed" and earlier is not None and earlier.output:
            row = _keep_earlier(row, earlier, self.config.output)
        row = replace(row, wall_s=round(time.monotonic() - started, 3))
        if row.status == "failed":
            reject("restore", row.name, row.error)
        else:
            count("restore", tracks=1, gaps=row.gaps, restored_seconds=row.filled_s)
        return source.entry(
            fingerprint=source.fingerprint if reliable else "",
            failed=row.status == "failed",
            output=row.output,
            output_size=row.output_size,
            row=asdict(row),
        )

    def _restore(self, path: Path, source: SourceFile, start: ManifestRow, record: RecordWriter) -> ManifestRow:
        """Write the output and note the gaps."""
        output_name(source)  # a name that leads out is refused before anything else
        survey = survey_file(path, source.labels, self.config)
        row = describe(start, survey)
        if survey.to_fill() or not survey.finite or (survey.gaps and source.has_copies):
            return self._repair(path, source, row, survey, record)
        with storage.output_path(storage.join(self.config.output, source.name)) as target:
            shutil.copyfile(path, target)
            return _seal(row, source.name, target)

    def _repair(
        self, path: Path, source: SourceFile, row: ManifestRow, survey: Survey, record: RecordWriter
    ) -> ManifestRow:
        with path.open("rb") as file:
            other_bytes = length_of(read_chunks(file)[0])
        headroom_db = self.config.headroom_db if survey.has_clipping else 0.0
        target = choose_target(
            survey.sound,
            survey.num_samples,
            self.config.output_format,
            more_bytes=other_bytes,
            beyond=survey.has_clipping and not headroom_db and survey.peak > SAFE_PEAK,
            headroom_db=headroom_db,
        )
        name = output_name(source, target.suffix)
        place = storage.join(self.config.output, name)
        with self._open_copies(path, source, survey) as copies, storage.output_path(place) as written:
            repaired = repair_file(
                path,
                written,
                survey,
                target,
                name=source.name,
                method=self.config.method,
                effort=self.config.effort,
                restore_magnitudes=self.restore_magnitudes,
                record=record,
                find_offers=copies.find_offers,
            )
            row = describe(row, survey, repaired.taken)
            notes = [row.error, copy_tags(path, written), _note_target(survey, target, repaired.num_clamped)]
            notes += copies.notes
            row = replace(row, error="; ".join(filter(None, notes)), gap_rows=repaired.num_rows, record=record.name)
            row = replace(row, headroom_db=headroom_db, copies=copies.scores)
            return _seal(row, name, written)

    @contextmanager
    def _open_copies(self, path: Path, source: SourceFile, survey: Survey) -> Iterator[OtherCopies]:
        """Open the other copies of a file: none."""
        yield OtherCopies()


def start_row(source: SourceFile, config: RestoreConfig, model: str) -> ManifestRow:
    """Return the row of a file of which nothing is known yet."""
    return ManifestRow(
        name=source.name,
        source_size=source.size,
        source_etag=source.etag,
        method=config.method,
        model=model,
        settings=source.settings,
    )


def try_file(source: SourceFile, start: ManifestRow, act: Callable[[Path], ManifestRow]) -> tuple[ManifestRow, bool]:
    """Do something with a file's content; a file that cannot be used is a failed row.

    Returns:
        The row, and whether the same file would give it again: one that cannot be read this time may be sound.

    Raises:
        StorageError: the output cannot be written.
    """
    try:
        with storage.local_file(source.uri) as path:
            return act(path), True
    except NOT_AGAIN as error:
        where = f"{source.labels_from}: " if isinstance(error, LabelError) else ""
        return replace(start, error=one_line(f"{where}{error}")), True
    except FileNotFoundError:
        error_text = "not there, or gone since the archive was listed"
    except PermissionError:
        error_text = "no permission to read it"
    except (MemoryError, torch.OutOfMemoryError):
        error_text = "not enough memory on this machine; run again to try it again"
    except (UnreadableError, OSError) as cause:
        error_text = f"{one_line(str(cause))}; run again to try it again"
    return replace(start, error=error_text), False


def _keep_earlier(row: ManifestRow, earlier: Entry, output: str) -> ManifestRow:
    """Return the row of what an earlier attempt made of a file that failed now."""
    before = ManifestRow(**earlier.row)
    stands = _digest_of(storage.join(output, before.output)) == before.sha256
    note = (
        "the earlier result still stands" if stands else "what stands in the output is of an attempt that was cut short"
    )
    source = {name: getattr(row, name) for name in ("source_size", "source_etag", "settings")}
    return replace(before, status="failed", error=f"{row.error}; {note}", **source)


def _digest_of(uri: str) -> str:
    try:
        with storage.local_file(uri) as path, path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, PermissionError, UnreadableError):
        return ""


def _seal(row: ManifestRow, name: str, written: Path) -> ManifestRow:
    """Return the row with name, size and digest of the output that was written."""
    with written.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return replace(row, output=name, output_size=written.stat().st_size, sha256=digest)


def _note_target(survey: Survey, target: Target, num_clamped: int) -> str:
    """Return a remark on the output's format or level where they differ from the source's, or ""."""
    if num_clamped:
        return f"{num_clamped} restored samples above full scale were cut off there; use --headroom-db or {KEEPS_ALL}"
    if target.headroom_db:
        return f"the whole file is {target.headroom_db:g} dB lower, as --headroom-db asks; it cannot be undone"
    if survey.sound.subtype in INTEGER_SUBTYPES and target.subtype in FLOAT_BYTES:
        return "clipped samples are restored above full scale: written as floats; --headroom-db keeps integers"
    if target.container == "RF64" and survey.sound.container != "RF64":
        return "longer than 4 GiB, which WAV cannot be: written as RF64"
    if survey.num_over and target.subtype in INTEGER_SUBTYPES and survey.sound.subtype not in LOSSLESS:
        return f"{survey.num_over} decoded samples above full scale were clipped; --output-format wav keeps them"
    return ""
