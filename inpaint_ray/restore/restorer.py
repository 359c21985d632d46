"""One file's bytes -> the restored file's bytes and its manifest row; and the actor that does it in storage.

Shapes: samples and lost are (channels, n).
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaint_ray import storage
from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording, read_recording
from inpaint_ray.audio.detection import find_lost, find_runs
from inpaint_ray.audio.encode import encode, to_integers
from inpaint_ray.audio.labels import mark_labels, read_labels
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.inpainting.calls import restorer_of
from inpaint_ray.inpainting.waveform import MAX_GAP_S, Method, RestoreMagnitudes, fill
from inpaint_ray.restore.archive import SourceFile, output_name
from inpaint_ray.restore.config import OutputFormat, RestoreConfig
from inpaint_ray.restore.excerpts import Excerpts, cut_excerpts, excerpt_uris
from inpaint_ray.restore.manifest import ManifestRow, write_row

FLAC_SUBTYPES = {"PCM_U8": "PCM_S8", "PCM_S8": "PCM_S8", "PCM_16": "PCM_16", "PCM_24": "PCM_24"}
LOSSLESS = (*INTEGER_SUBTYPES, "FLOAT", "DOUBLE")


@dataclass(frozen=True)
class Result:
    """What is to be written for one file."""

    row: ManifestRow
    data: bytes = b""  # of the output; empty where nothing is to be written
    excerpts: Excerpts | None = None


class Restorer:
    """Holds the model; the state of a Ray Data actor."""

    def __init__(self, config: RestoreConfig) -> None:
        torch.set_num_threads(1)  # the cores are busy with other files
        self.config = config
        self.restore_magnitudes = None if config.checkpoint is None else _load(config.checkpoint, gpu=config.use_gpu)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """A `SourceFile` as a row to its `ManifestRow` as one, after everything is written; a bad file is `failed`."""
        started = time.monotonic()
        source = SourceFile(**row)
        result = self._restore(source)
        finished = replace(result.row, wall_s=round(time.monotonic() - started, 3))
        if not self.config.dry_run:
            self._write(source, replace(result, row=finished))
        return asdict(finished)

    def _restore(self, source: SourceFile) -> Result:
        try:
            data = storage.read_bytes(source.uri)
        except FileNotFoundError:
            return self._unread(source, "gone since the archive was listed")
        except PermissionError:
            return self._unread(source, "no permission to read it")
        return restore_bytes(data, source, self.config, self.restore_magnitudes)

    def _unread(self, source: SourceFile, reason: str) -> Result:
        """Without the settings, so that the next run tries again."""
        row = _start_row(source, self.config.method)
        return Result(replace(row, settings="", error=reason))

    def _write(self, source: SourceFile, result: Result) -> None:
        """The output, the excerpts, and last the row, which says that all of it is there."""
        output, row = self.config.output, result.row
        if row.output:
            storage.write_bytes(storage.join(output, row.output), result.data)
        if source.replaces not in ("", row.output) and storage.exists(storage.join(output, source.replaces)):
            storage.delete_file(storage.join(output, source.replaces))
        for uri, excerpt in zip(excerpt_uris(output, row.name), result.excerpts or (), strict=False):
            storage.write_bytes(uri, excerpt)
        write_row(output, row)


def restore_bytes(
    data: bytes, source: SourceFile, config: RestoreConfig, restore_magnitudes: RestoreMagnitudes | None = None
) -> Result:
    """What becomes of a file; a dry run gives the row alone, with the status that there would be.

    A file without a gap is copied byte for byte. One that cannot be read, filled or written has status `failed` and
    its reason.
    """
    start = _start_row(source, config.method)
    try:
        return _restore_bytes(data, source, start, config, restore_magnitudes)
    except (AudioDecodeError, ValueError, soundfile.SoundFileError) as error:
        return Result(replace(start, error=" ".join(str(error).split())))


def restore_recording(
    recording: Recording,
    lost: NDArray[np.bool_],
    *,
    method: Method,
    restore_magnitudes: RestoreMagnitudes | None = None,
) -> Recording:
    """The recording with its lost samples filled; every other one is the input's, bit for bit."""
    filled = fill(
        recording.to_float(), recording.sample_rate, lost, method=method, restore_magnitudes=restore_magnitudes
    )[lost]
    samples = recording.samples.copy()
    samples[lost] = to_integers(filled, recording.subtype) if samples.dtype == np.int32 else filled
    return replace(recording, samples=samples)


def convert(recording: Recording, output_format: OutputFormat) -> Recording:
    """The recording in the container that is asked for.

    Lossless audio keeps every sample. Lossy audio becomes FLAC of 24 bits, or WAV of 32-bit floats, which is exact.

    Raises:
        ValueError: the container cannot hold the samples as they are.
    """
    subtype, lossless = recording.subtype, recording.subtype in LOSSLESS
    if output_format == "same" and lossless:
        return recording
    if output_format == "wav":
        subtype = {"PCM_S8": "PCM_U8"}.get(subtype, subtype) if lossless else "FLOAT"
        return replace(recording, container="WAV", subtype=subtype)
    if not lossless:
        integers = to_integers(recording.samples, "PCM_24")
        return replace(recording, samples=integers, container="FLAC", subtype="PCM_24")
    if subtype not in FLAC_SUBTYPES:
        raise ValueError(f"FLAC cannot hold samples of {subtype} as they are; use --output-format same or wav")
    return replace(recording, container="FLAC", subtype=FLAC_SUBTYPES[subtype])


def find_gaps(recording: Recording, labels: str | None) -> NDArray[np.bool_]:
    """Lost samples: those that the label track covers, in every channel; or, where it is None, those that are found.

    Samples that are not finite are always lost.

    Raises:
        ValueError: the label track is damaged.
    """
    samples = recording.to_float()
    if labels is None:
        return find_lost(samples, recording.sample_rate)
    return ~np.isfinite(samples) | mark_labels(read_labels(labels), recording.num_samples, recording.sample_rate)


def _restore_bytes(
    data: bytes,
    source: SourceFile,
    start: ManifestRow,
    config: RestoreConfig,
    restore_magnitudes: RestoreMagnitudes | None,
) -> Result:
    name = output_name(source, "", "")  # a name that leads out is refused before anything else
    recording = read_recording(data)
    lost = find_gaps(recording, source.labels)
    kept = _too_long(lost, recording.sample_rate)
    filled = lost & ~kept
    starts, stops = find_runs(np.logical_or.reduce(lost))
    start = replace(
        start,
        seconds=recording.duration_s,
        sample_rate=recording.sample_rate,
        channels=len(recording.samples),
        gaps=len(starts),
        longest_gap_s=float((stops - starts).max(initial=0)) / recording.sample_rate,
    )
    if len(starts) == 0:
        note = "silent: nothing in it can be told to be lost" if not recording.samples.any() else ""
        return _finish(replace(start, status="unchanged", error=note), name, data, config)
    if lost.all():
        raise ValueError("all of it is lost: nothing to restore from")
    converted = convert(recording, config.output_format)
    name = output_name(source, recording.container, converted.container)
    notes = [_note_kept(kept, recording.sample_rate), _note_clipped(recording, converted)]
    status: Literal["partly", "restored"] = "partly" if kept.any() else "restored"
    row = replace(
        start, status=status, error="; ".join(filter(None, notes)), samples_replaced=int(np.count_nonzero(filled))
    )
    if not filled.any() and np.isfinite(recording.samples).all():  # nothing but long silence: it is there already
        return _finish(replace(row, error=notes[0]), source.name, data, config)
    if config.dry_run:
        return Result(row)
    restored = restore_recording(recording, lost, method=config.method, restore_magnitudes=restore_magnitudes)
    excerpts = cut_excerpts(recording, restored, filled) if filled.any() else None
    return _finish(row, name, encode(convert(restored, config.output_format)), config, excerpts)


def _start_row(source: SourceFile, method: Method) -> ManifestRow:
    return ManifestRow(name=source.name, source_size=source.size, method=method, settings=source.settings)


def _finish(
    row: ManifestRow, name: str, data: bytes, config: RestoreConfig, excerpts: Excerpts | None = None
) -> Result:
    if config.dry_run:
        return Result(row)
    digest = hashlib.sha256(data).hexdigest()
    return Result(replace(row, output=name, output_size=len(data), sha256=digest), data, excerpts)


def _too_long(lost: NDArray[np.bool_], sample_rate: int) -> NDArray[np.bool_]:
    """Of the lost samples, those that stay silent: in gaps longer than 1 s, or in a channel with nothing else."""
    kept = np.zeros_like(lost)
    for channel, missing in zip(kept, lost, strict=True):
        for start, stop in zip(*find_runs(missing), strict=True):
            channel[start:stop] = stop - start > MAX_GAP_S * sample_rate or missing.all()
    return kept


def _note_kept(kept: NDArray[np.bool_], sample_rate: int) -> str:
    starts, stops = find_runs(np.logical_or.reduce(kept))
    if len(starts) == 0:
        return ""
    gaps = "1 gap" if len(starts) == 1 else f"{len(starts)} gaps"
    return f"left silent: {gaps} longer than {MAX_GAP_S:g} s, {(stops - starts).sum() / sample_rate:.2f} s in all"


def _note_clipped(recording: Recording, converted: Recording) -> str:
    """Lossy decoders overshoot; integers cannot."""
    if recording.samples.dtype == np.int32 or converted.samples.dtype != np.int32:
        return ""
    count = np.count_nonzero(np.abs(recording.samples) > 1)
    return f"{count} decoded samples above full scale were clipped; --output-format wav keeps them" if count else ""


def _load(uri: str, *, gpu: bool) -> Callable[[Tensor, Tensor], Tensor]:
    device = torch.device("cuda" if gpu else "cpu")
    checkpoint = open_checkpoint(uri)
    checkpoint.model.to(device)
    restore = restorer_of(checkpoint)
    return lambda magnitudes, lost: restore(magnitudes.to(device), lost.to(device))
