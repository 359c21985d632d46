"""One file -> the restored file, its gaps and its manifest row; and the actor that does it in storage.

A file is read twice, in blocks: to find its gaps, and to copy it with these filled. Shapes: samples and lost are
(channels, n).
"""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaint_ray import storage
from inpaint_ray.audio.chunks import length_of, read_chunks
from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording, join_blocks, read_blocks
from inpaint_ray.audio.encode import to_integers, write_blocks
from inpaint_ray.audio.runs import Gap, join_gaps, mark_gaps
from inpaint_ray.audio.tags import copy_tags
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.errors import AudioDecodeError, UnreadableError
from inpaint_ray.filling.calls import restorer_of
from inpaint_ray.filling.channels import known_elsewhere
from inpaint_ray.filling.waveform import LONGEST_AUTOREGRESSIVE_S, MAX_GAP_S, Method, RestoreMagnitudes, fill
from inpaint_ray.finding.detection import find_gaps
from inpaint_ray.finding.labels import LabelError, place_labels, read_labels, write_labels
from inpaint_ray.ledger.actors import choose_device
from inpaint_ray.metrics import count, reject
from inpaint_ray.names import one_line
from inpaint_ray.restore.archive import SourceFile, output_name
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.excerpts import Excerpts, encode_excerpts, excerpt_span, excerpt_uris
from inpaint_ray.restore.formats import LOSSLESS, Target, choose_target, convert
from inpaint_ray.restore.gap_table import FilledGap, GapWriter, gap_writer
from inpaint_ray.restore.manifest import ManifestRow, file_gaps_uri, write_row
from inpaint_ray.restore.pieces import Piece, fill_blocks, plan_pieces

FLOOR_STEPS = 4  # of the samples: dither is no louder
HIGHEST_FLOOR = 4 / 2**15  # of coarser samples than 16 bits, whose steps are music
FINEST_BITS = 24


@dataclass(frozen=True)
class Survey:
    """What the first reading of a file finds."""

    sound: Recording  # a block without samples: rate, channels and format
    num_samples: int
    gaps: list[Gap]
    silent: bool  # every sample is zero
    finite: bool
    num_over: int  # samples above full scale, which integers cannot hold

    def to_fill(self) -> list[Gap]:
        """The gaps that are not too long, and not all that their channel has."""
        longest = MAX_GAP_S * self.sound.sample_rate
        return [gap for gap in self.gaps if gap.stop - gap.start <= min(longest, self.num_samples - 1)]


class Restorer:
    """Holds the model; the state of a Ray Data actor."""

    def __init__(self, config: RestoreConfig) -> None:
        torch.set_num_threads(1)  # the cores are busy with other files
        self.config = config
        self.restore_magnitudes = (
            None if config.checkpoint is None else _load(config.checkpoint, gpu=config.actors.use_gpu)
        )

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """A `SourceFile` as a row to its `ManifestRow` as one, after everything is written; a bad file is `failed`."""
        source = SourceFile(**row)
        started = time.monotonic()
        start = ManifestRow(
            name=source.name,
            source_size=source.size,
            source_etag=source.etag,
            method=self.config.method,
            model=source.model,
            settings=source.settings,
        )
        finished = replace(self._try(source, start), wall_s=round(time.monotonic() - started, 3))
        if not self.config.dry_run:
            if finished.status != "failed":
                self._forget(source, finished)
            if finished.status != "failed" or not source.replaces:  # else the earlier result stands, with its row
                write_row(self.config.output, finished)  # last: it says that all of it is there
            _count(finished)
        return asdict(finished)

    def _try(self, source: SourceFile, start: ManifestRow) -> ManifestRow:
        """The row of the restored file; or, of one that cannot be read this time, one that no later run trusts.

        Raises:
            StorageError: the output cannot be written.
        """
        try:
            with storage.local_file(source.uri) as path:
                return self._restore(path, source, start)
        except FileNotFoundError:
            error = "not there, or gone since the archive was listed"
        except PermissionError:
            error = "no permission to read it"
        except (MemoryError, torch.OutOfMemoryError):
            error = "not enough memory on this machine; run again to try it again"
        except (UnreadableError, OSError) as cause:
            error = f"{one_line(str(cause))}; run again to try it again"
        return replace(start, settings="", error=error)

    def _restore(self, path: Path, source: SourceFile, start: ManifestRow) -> ManifestRow:
        """The row, after the output, the gaps and the excerpts are written."""
        try:
            output_name(source)  # a name that leads out is refused before anything else
            survey = survey_file(path, source.labels, min_gap_s=self.config.min_gap_ms / 1000)
            row = describe(start, survey)
            if self.config.dry_run:
                self._write_labels(source, survey)
                return row
            if not survey.to_fill() and survey.finite:
                with storage.output_path(storage.join(self.config.output, source.name)) as target:
                    shutil.copyfile(path, target)
                    self._begin(source, row)
                    return _seal(row, source.name, target)
            return self._repair(path, source, row, survey)
        except LabelError as error:
            return replace(start, error=one_line(f"{source.labels_from}: {error}"))
        except (AudioDecodeError, ValueError, soundfile.SoundFileError) as error:
            return replace(start, error=one_line(str(error)))

    def _repair(self, path: Path, source: SourceFile, row: ManifestRow, survey: Survey) -> ManifestRow:
        """A file with gaps: the output under its place's temporary name, all else in a temporary folder first."""
        with path.open("rb") as file:
            other_bytes = length_of(read_chunks(file)[0])
        target = choose_target(survey.sound, survey.num_samples, self.config.output_format, more_bytes=other_bytes)
        name = output_name(source, target.suffix)
        output = self.config.output
        with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
            gaps = Path(folder, "gaps.parquet")
            with storage.output_path(storage.join(output, name)) as written, gap_writer(gaps) as writer:
                excerpts = repair_file(
                    path,
                    written,
                    survey,
                    target,
                    name=source.name,
                    method=self.config.method,
                    restore_magnitudes=self.restore_magnitudes,
                    writer=writer,
                )
                notes = [row.error, copy_tags(path, written), _note_target(survey, target)]
                row = replace(row, error="; ".join(filter(None, notes)), gap_rows=writer.num_rows)
                row = _seal(row, name, written)
                self._begin(source, row)
            storage.put_file(gaps, file_gaps_uri(output, source.name))
        for uri, excerpt in zip(excerpt_uris(output, source.name), excerpts or (), strict=False):
            storage.write_bytes(uri, excerpt)
        return row

    def _begin(self, source: SourceFile, row: ManifestRow) -> None:
        """Note, before the output of an earlier run is replaced, that its row is not true any more."""
        if source.replaces:
            begun = replace(row, status="failed", settings="", error="begun, not finished", output=source.replaces)
            write_row(self.config.output, replace(begun, gaps=0, gap_rows=0))  # its gaps are not written yet

    def _forget(self, source: SourceFile, row: ManifestRow) -> None:
        """Delete what an earlier run wrote for the file under another name."""
        if source.replaces not in ("", row.output):
            with suppress(FileNotFoundError):
                storage.delete_file(storage.join(self.config.output, source.replaces))

    def _write_labels(self, source: SourceFile, survey: Survey) -> None:
        if survey.gaps:
            text = write_labels(survey.gaps, len(survey.sound.samples), survey.sound.sample_rate)
            storage.write_bytes(storage.join(self.config.output, f"{source.name}.txt"), text.encode())


def _count(row: ManifestRow) -> None:
    if row.status == "failed":
        reject("restore", row.name, row.error)
    else:
        count("restore", tracks=1, gaps=row.gaps, restored_seconds=row.filled_s)


def survey_file(path: Path, labels: str | None, *, min_gap_s: float) -> Survey:
    """What there is to restore in a file: the gaps that labels mark, or, where they are None, those that are found.

    Samples that are not finite are always lost.

    Raises:
        AudioDecodeError: the file is no audio, or cut off.
        LabelError: the labels are damaged, or lie past the end.
        ValueError: nothing is left to restore from.
    """
    blocks = read_blocks(path)
    first = next(blocks)
    num_samples, num_over, silent, num_bad = 0, 0, True, 0

    def floats() -> Iterator[NDArray]:
        nonlocal num_samples, num_over, silent, num_bad
        block: Recording | None = first
        while block is not None:
            num_samples += block.num_samples
            silent = silent and not block.samples.any()
            if block.samples.dtype != np.int32:
                num_bad += int(np.count_nonzero(~np.isfinite(block.samples)))
                num_over += int(np.count_nonzero(np.abs(block.samples) > 1))
            yield block.to_float()
            block = next(blocks, None)

    with closing(blocks):
        shortest = min_gap_s if labels is None else None
        gaps = find_gaps(floats(), first.sample_rate, min_gap_s=shortest, floor=_floor(first))
    if labels is not None:
        marked = place_labels(read_labels(labels), len(first.samples), num_samples, first.sample_rate)
        gaps = join_gaps([*gaps, *marked])
    if sum(gap.stop - gap.start for gap in gaps) == num_samples * len(first.samples):
        raise ValueError("all of it is lost: nothing to restore from")
    return Survey(first.cut(0, 0), num_samples, gaps, silent, num_bad == 0, num_over)


def describe(row: ManifestRow, survey: Survey) -> ManifestRow:
    """The row of a file, as far as the first reading tells."""
    rate, fillable = survey.sound.sample_rate, set(survey.to_fill())
    spans = _spans(survey.gaps)
    left = _spans([gap for gap in survey.gaps if gap not in fillable])
    error = "silent: nothing in it can be told to be lost" if survey.silent and not survey.gaps else ""
    if left:
        count = "1 gap" if len(left) == 1 else f"{len(left)} gaps"
        seconds = sum(stop - start for start, stop in left) / rate
        error = f"left silent: {count} longer than {MAX_GAP_S:g} s, {seconds:.2f} s in all"
    return replace(
        row,
        status="unchanged" if not spans else "partly" if left else "restored",
        error=error,
        seconds=survey.num_samples / rate,
        sample_rate=rate,
        channels=len(survey.sound.samples),
        gaps=len(spans),
        longest_gap_s=max((stop - start for start, stop in spans), default=0) / rate,
        samples_replaced=sum(gap.stop - gap.start for gap in fillable),
    )


def repair_file(
    path: Path,
    written: Path,
    survey: Survey,
    target: Target,
    *,
    name: str,
    method: Method,
    restore_magnitudes: RestoreMagnitudes | None,
    writer: GapWriter,
) -> Excerpts | None:
    """Write a file again with its gaps filled, and note each; every other sample is the input's, bit for bit.

    Args:
        path: the damaged file.
        written: where the restored one goes.
        survey: of the damaged file.
        target: how it is written.
        name: of the file, for the table of gaps.
        method: how gaps are filled.
        restore_magnitudes: the model, if there is one.
        writer: of the table of gaps.

    Returns:
        Some seconds around the longest gap that was filled, or None where none was.
    """
    rate, fillable = survey.sound.sample_rate, survey.to_fill()
    span = excerpt_span(fillable, survey.num_samples, rate)
    heard: list[tuple[Recording, Recording]] = []
    pieces = plan_pieces(survey.gaps, rate)

    def fill_window(window: Recording, piece: Piece) -> Recording:
        restored = fill_lost(window, piece, method=method, restore_magnitudes=restore_magnitudes)
        for gap in _filled_gaps(window, restored, piece, survey, target, method, restore_magnitudes is not None):
            writer.add(replace(gap, name=name))
        return restored

    def restored_blocks(blocks: Iterator[Recording]) -> Iterator[Recording]:
        place = 0
        for damaged, restored in fill_blocks(blocks, pieces, fill_window):
            start, stop = (min(max(edge - place, 0), damaged.num_samples) for edge in span)
            if start < stop:
                heard.append((damaged.cut(start, stop), restored.cut(start, stop)))
            place += damaged.num_samples
            yield convert(restored, target)

    with closing(read_blocks(path)) as blocks:
        write_blocks(written, restored_blocks(blocks))
    if not heard:
        return None
    damaged, restored = (join_blocks([pair[side] for pair in heard]) for side in (0, 1))
    return encode_excerpts(damaged, restored)


def fill_lost(
    window: Recording, piece: Piece, *, method: Method, restore_magnitudes: RestoreMagnitudes | None
) -> Recording:
    """The sound of a piece's window with its lost samples filled."""
    start = piece.window[0]
    lost = mark_gaps(piece.gaps, len(window.samples), start, start + window.num_samples)
    filled = fill(window.to_float(), window.sample_rate, lost, method=method, restore_magnitudes=restore_magnitudes)
    samples = window.samples.copy()
    samples[lost] = to_integers(filled[lost], window.subtype) if samples.dtype == np.int32 else filled[lost]
    return replace(window, samples=samples)


def _filled_gaps(
    window: Recording,
    restored: Recording,
    piece: Piece,
    survey: Survey,
    target: Target,
    method: Method,
    has_model: bool,
) -> Iterator[FilledGap]:
    """The gaps of a piece, or the parts of them that lie in it; their `name` is still to come."""
    rate, first = window.sample_rate, piece.window[0]
    lost = mark_gaps(piece.gaps, len(window.samples), first, first + window.num_samples)
    elsewhere = known_elsewhere(lost, rate)
    longest = min(MAX_GAP_S * rate, survey.num_samples - 1)
    for gap in piece.gaps:
        start, stop = max(gap.start, piece.start), min(gap.stop, piece.stop)
        if start >= stop:
            continue
        used: str = method
        if gap.stop - gap.start > longest:
            used = "silence"
        elif method == "auto":
            short = gap.stop - gap.start <= LONGEST_AUTOREGRESSIVE_S * rate
            by_model = has_model and not short and not elsewhere[gap.channel, start - first]
            used = "model" if by_model else "autoregressive"
        before, after = (each.cut(start - first, stop - first) for each in (window, restored))
        original = convert(before, target).samples[gap.channel]
        yield FilledGap(
            name="",
            channel=gap.channel,
            start=start,
            stop=stop,
            start_s=start / rate,
            seconds=(stop - start) / rate,
            method=used,
            level_before_db=_level_db(before.to_float()[gap.channel]),
            level_after_db=_level_db(after.to_float()[gap.channel]),
            dtype=str(original.dtype),
            replaced=original.tobytes(),
        )


def _level_db(samples: NDArray) -> float:
    finite = samples[np.isfinite(samples)].astype(np.float64)
    power = float(np.mean(finite**2)) if len(finite) else 0.0
    return 10 * np.log10(power) if power else -np.inf


def _floor(sound: Recording) -> float:
    """The loudest that dither is."""
    bits = min(INTEGER_SUBTYPES.get(sound.subtype, FINEST_BITS), FINEST_BITS)
    return min(FLOOR_STEPS / 2 ** (bits - 1), HIGHEST_FLOOR)


def _spans(gaps: list[Gap]) -> list[tuple[int, int]]:
    """Stretches in which any channel is lost."""
    return [(gap.start, gap.stop) for gap in join_gaps([gap._replace(channel=0) for gap in gaps])]


def _seal(row: ManifestRow, name: str, written: Path) -> ManifestRow:
    """The row with what its whole output is."""
    with written.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return replace(row, output=name, output_size=written.stat().st_size, sha256=digest)


def _note_target(survey: Survey, target: Target) -> str:
    """What a person should know of the new format."""
    if target.container == "RF64" and survey.sound.container != "RF64":
        return "longer than 4 GiB, which WAV cannot be: written as RF64"
    if survey.num_over and target.subtype in INTEGER_SUBTYPES and survey.sound.subtype not in LOSSLESS:
        return f"{survey.num_over} decoded samples above full scale were clipped; --output-format wav keeps them"
    return ""


def _load(uri: str, *, gpu: bool) -> Callable[[Tensor, Tensor], Tensor]:
    device = choose_device(use_gpu=gpu)
    checkpoint = open_checkpoint(uri)
    checkpoint.model.to(device)
    restore = restorer_of(checkpoint)
    return lambda magnitudes, lost: restore(magnitudes.to(device), lost.to(device))
