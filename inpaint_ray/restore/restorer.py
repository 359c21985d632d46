"""The restoration of one file: output, gaps and manifest row; the work of the ledger's actors."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import soundfile

from inpaint_ray import storage
from inpaint_ray.audio.checksums import file_digest
from inpaint_ray.audio.chunks import length_of, read_chunks
from inpaint_ray.audio.tags import copy_tags
from inpaint_ray.errors import AudioDecodeError, UnreadableError
from inpaint_ray.filling.choice import SHIPPED_ABOVE_S
from inpaint_ray.filling.methods import ForLongGaps, RestoreMagnitudes
from inpaint_ray.finding.labels import LabelError
from inpaint_ray.ledger.items import Item
from inpaint_ray.ledger.records import Entry, RecordWriter
from inpaint_ray.metrics import count
from inpaint_ray.names import one_line
from inpaint_ray.restore.archive import SourceFile, check_free, output_name
from inpaint_ray.restore.bag import payload_name
from inpaint_ray.restore.config import AUTO, RestoreConfig
from inpaint_ray.restore.decisions import from_text
from inpaint_ray.restore.difference import removed_name
from inpaint_ray.restore.formats import Target, choose_target
from inpaint_ray.restore.gap_table import SCHEMA
from inpaint_ray.restore.manifest import ManifestRow
from inpaint_ray.restore.remarks import note_decisions, note_rounded, note_target
from inpaint_ray.restore.repair import FindOffers, repair_file
from inpaint_ray.restore.survey import Survey, count_samples, describe, survey_file

MEMORY_GIB = 0.85  # of an actor: benchmarks.restore
SAFE_PEAK = 0.25  # -12 dB: what is restored of clipping at a lower level is hardly ever above full scale
NOT_AGAIN = (AudioDecodeError, LabelError, ValueError, soundfile.SoundFileError)  # the same file fails the same way


class _NothingFilledError(Exception):
    """A file whose gaps are all too long to fill, and found nowhere else: it is copied as it is."""


@dataclass(frozen=True)
class OtherCopies:
    """Other copies of a file, in a merge."""

    find_offers: FindOffers | None = None
    scores: dict[str, float] = field(default_factory=dict)  # name -> score of its alignment
    notes: list[str] = field(default_factory=list)  # on those that are of no use


class Restorer:
    """A restorer of files; the work of a restoration."""

    memory_gib: ClassVar[float] = MEMORY_GIB  # of an actor
    item: ClassVar[type[Item]] = SourceFile
    schema: ClassVar[pa.Schema] = SCHEMA

    def __init__(self, config: RestoreConfig, model: str) -> None:
        self.config, self.model = config, model
        self.restore_magnitudes = _network(config)

    def __call__(self, source: SourceFile, earlier: Entry | None, record: RecordWriter) -> Entry:
        """Restore a file; where that fails, an earlier attempt's output stays."""
        started = time.monotonic()
        start = start_row(source, self.config, self.model)
        row, reliable = try_file(source, start, lambda path: self._restore(path, source, start, record))
        if row.status == "failed" and earlier is not None and earlier.output:
            row = _keep_earlier(row, earlier, self.config.output)
        done_at = datetime.now(UTC).isoformat(timespec="seconds")
        row = replace(row, wall_s=round(time.monotonic() - started, 3), done_at=done_at)
        if row.status == "failed":
            count("restore", rejects=1)
        else:
            count("restore", tracks=1, gaps=row.gaps, restored_seconds=row.filled_s)
        return source.entry(
            fingerprint=source.fingerprint if reliable else "",
            failed=row.status == "failed",
            output=row.output,
            output_size=row.output_size,
            beside=row.removed,
            beside_size=row.removed_size,
            row=asdict(row),
        )

    def _restore(self, path: Path, source: SourceFile, start: ManifestRow, record: RecordWriter) -> ManifestRow:
        """Write the output and note the gaps."""
        self._place(output_name(source))  # a name that leads out is refused before anything else
        survey = survey_file(path, source.labels, self.config)
        copies = OtherCopies()
        if survey.to_fill() or not survey.finite or (survey.gaps and source.has_copies):
            with self._open_copies(path, source, survey) as copies, suppress(_NothingFilledError):
                row = replace(start, source_sha256=file_digest(path), copies=copies.scores)
                return self._repair(path, source, row, survey, copies, record)
        row = describe(replace(start, copies=copies.scores), survey, silent=survey.gaps)
        row = replace(row, error="; ".join(filter(None, [row.error, *copies.notes])))
        if source.decided:
            raise ValueError("a decision names a repair, but the file has none")
        name = self._place(source.name)
        with storage.output_path(storage.join(self.config.output, name)) as target:
            shutil.copyfile(path, target)
            row = _seal(row, name, target)
            return replace(row, source_sha256=row.sha256, sound_sha256=row.source_sound_sha256)

    def _repair(
        self,
        path: Path,
        source: SourceFile,
        row: ManifestRow,
        survey: Survey,
        copies: OtherCopies,
        record: RecordWriter,
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
        with ExitStack() as stack:
            removed = None
            if self.config.proof.difference:
                check_free(source, removed_name(name))
                removed = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inpaint-")), "removed")
            row = self._write(path, source, row, survey, copies, target, name, removed, record)
            if removed is not None:  # after the output, so that no other output ever stands beside it
                storage.move_file(removed, storage.join(self.config.output, row.removed))
        return row

    def _place(self, name: str) -> str:
        """Return the name of a result relative to the output."""
        return payload_name(name) if self.config.proof.bag else name

    def _copy_tags(self, path: Path, written: Path, row: ManifestRow) -> str:
        treatment = f"inpaint_ray {row.version}; {row.gaps} gaps filled; method {row.method}"
        return copy_tags(path, written, treatment=treatment, md5=self.config.proof.md5)

    def _write(
        self,
        path: Path,
        source: SourceFile,
        row: ManifestRow,
        survey: Survey,
        copies: OtherCopies,
        target: Target,
        name: str,
        removed: Path | None,
        record: RecordWriter,
    ) -> ManifestRow:
        place = self._place(name)
        with storage.output_path(storage.join(self.config.output, place)) as written:
            outcome = repair_file(
                path,
                written,
                survey,
                target,
                name=source.name,
                method=self.config.method,
                effort=self.config.effort,
                restore_magnitudes=self.restore_magnitudes,
                record=record,
                decided=from_text(source.decided),
                removed=removed,
                find_offers=copies.find_offers,
            )
            nothing = count_samples(outcome.silent) == count_samples(survey.gaps)
            if survey.finite and nothing and not source.decided:
                raise _NothingFilledError
            row = describe(row, survey, outcome.silent)
            notes = [row.error, self._copy_tags(path, written, row), note_target(survey, target, outcome.num_clamped)]
            notes += copies.notes
            row = replace(row, headroom_db=target.headroom_db, sound_sha256=outcome.sound_sha256)
            row = note_decisions(row, outcome)
            if outcome.removed is not None and removed is not None:
                like = f"{name}{outcome.removed.suffix}"
                beside = removed_name(like)
                check_free(source, beside)
                if like != name:  # of which another difference would have this name
                    check_free(source, like)
                row = replace(row, removed=self._place(beside), removed_size=removed.stat().st_size)
                row = replace(row, removed_sha256=file_digest(removed))
                notes.append(note_rounded(outcome.removed.num_rounded))
            row = replace(row, error="; ".join(filter(None, notes)), gap_rows=outcome.num_rows, record=record.name)
            return _seal(row, place, written)

    @contextmanager
    def _open_copies(self, path: Path, source: SourceFile, survey: Survey) -> Iterator[OtherCopies]:
        """Open the other copies of a file: none."""
        yield OtherCopies()


def _network(config: RestoreConfig) -> RestoreMagnitudes | None:
    """Open the network of --checkpoint; that of `auto` is opened when the first gap needs it."""
    if config.checkpoint is None or (config.checkpoint == AUTO and config.method != "auto"):
        return None
    if config.checkpoint == AUTO:
        return ForLongGaps(_shipped, SHIPPED_ABOVE_S)
    from inpaint_ray.checkpoints import open_restorer  # torch is loaded where it is needed

    return open_restorer(config.checkpoint, use_gpu=config.actors.use_gpu, tta=config.tta)


@cache
def _shipped() -> RestoreMagnitudes:
    from inpaint_ray.checkpoints import PRETRAINED, open_restorer

    return open_restorer(PRETRAINED, use_gpu=False)


def start_row(source: SourceFile, config: RestoreConfig, model: str) -> ManifestRow:
    """Return the row of a file before anything is known of it."""
    return ManifestRow(
        name=source.name,
        source_size=source.size,
        source_etag=source.etag,
        method=config.method,
        model=model,
        settings=source.settings,
    )


def try_file(source: SourceFile, start: ManifestRow, act: Callable[[Path], ManifestRow]) -> tuple[ManifestRow, bool]:
    """Call a function on a file's content; errors of the file become a failed row.

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
    except (MemoryError, RuntimeError) as cause:
        if not isinstance(cause, MemoryError) and type(cause).__name__ != "OutOfMemoryError":  # torch's, of a GPU
            raise
        error_text = "not enough memory on this machine; run again to try it again"
    except (UnreadableError, OSError) as cause:
        error_text = f"{one_line(str(cause))}; run again to try it again"
    return replace(start, error=error_text), False


def _keep_earlier(row: ManifestRow, earlier: Entry, output: str) -> ManifestRow:
    """Return the row of an earlier attempt at a file that failed now."""
    before = ManifestRow(**earlier.row)
    stands = _digest_of(storage.join(output, before.output)) == before.sha256
    note = (
        "the earlier result still stands" if stands else "what stands in the output is of an attempt that was cut short"
    )
    source = {name: getattr(row, name) for name in ("source_size", "source_etag", "settings")}
    return replace(before, status="failed", error=f"{row.error}; {note}", **source)


def _digest_of(uri: str) -> str:
    try:
        with storage.local_file(uri) as path:
            return file_digest(path)
    except (FileNotFoundError, PermissionError, UnreadableError):
        return ""


def _seal(row: ManifestRow, name: str, written: Path) -> ManifestRow:
    """Return the row with name, size and digest of the output that was written."""
    return replace(row, output=name, output_size=written.stat().st_size, sha256=file_digest(written))
