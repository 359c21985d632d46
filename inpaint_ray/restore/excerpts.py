"""A few seconds around a gap, before and after, to listen to on the report's page."""

from dataclasses import replace

import numpy as np
import torch
import torchaudio.functional
from numpy.typing import NDArray

from inpaint_ray import storage
from inpaint_ray.audio.decode import Recording
from inpaint_ray.audio.detection import find_runs
from inpaint_ray.audio.encode import encode, to_integers
from inpaint_ray.restore.manifest import FOLDER, ManifestRow, name_key

EXCERPTS = f"{FOLDER}/excerpts"
EXCERPT_S = 6.0
MAX_RATE = 48_000  # Hz; what every browser plays

Excerpts = tuple[bytes, bytes]  # damaged, restored: 16-bit FLAC


def cut_excerpts(recording: Recording, restored: Recording, filled: NDArray[np.bool_]) -> Excerpts:
    """Both recordings around the middle of the longest stretch that was filled.

    Args:
        recording: as it came.
        restored: the same with its gaps filled.
        filled: (channels, n), True where it was; somewhere at least.
    """
    starts, stops = find_runs(np.logical_or.reduce(filled))
    longest = int(np.argmax(stops - starts))
    length = int(EXCERPT_S * recording.sample_rate)
    middle = int(starts[longest] + stops[longest]) // 2
    first = max(min(middle - length // 2, recording.num_samples - length), 0)
    part = slice(first, first + length)
    damaged, whole = (replace(each, samples=each.samples[:, part]) for each in (recording, restored))
    return _to_flac(damaged), _to_flac(whole)


def excerpt_uris(output: str, name: str) -> tuple[str, str]:
    """Where the damaged and the restored excerpt of a file are kept."""
    place = storage.join(output, EXCERPTS, name_key(name))
    return f"{place}-damaged.flac", f"{place}-restored.flac"


def drop_excerpts(output: str, rows: list[ManifestRow]) -> None:
    """Delete the excerpts of files that the report does not show."""
    for row in rows:
        for uri in excerpt_uris(output, row.name):
            if storage.exists(uri):
                storage.delete_file(uri)


def keep_excerpts(output: str, rows: list[ManifestRow]) -> None:
    """Delete all excerpts but these files'; only when no actor is at work any more."""
    kept = {uri for row in rows for uri in excerpt_uris(output, row.name)}
    for file in storage.list_files(storage.join(output, EXCERPTS)):
        if file.uri not in kept:
            storage.delete_file(file.uri)


def _to_flac(recording: Recording) -> bytes:
    samples = torch.from_numpy(np.nan_to_num(recording.to_float().astype(np.float32)))
    if len(samples) > 2:
        samples = samples.mean(dim=0, keepdim=True)
    rate = min(recording.sample_rate, MAX_RATE)
    if rate != recording.sample_rate:
        samples = torchaudio.functional.resample(samples, recording.sample_rate, rate)
    integers = to_integers(samples.numpy(), "PCM_16")
    return encode(Recording(samples=integers, sample_rate=rate, container="FLAC", subtype="PCM_16"))
