"""A few seconds around a gap, before and after, to listen to on the report's page."""

import numpy as np
import torch
import torchaudio.functional

from inpaint_ray import storage
from inpaint_ray.audio.decode import Recording
from inpaint_ray.audio.encode import encode, to_integers
from inpaint_ray.audio.runs import Gap
from inpaint_ray.restore.manifest import FOLDER, ManifestRow, name_key

EXCERPTS = f"{FOLDER}/excerpts"
EXCERPT_S = 6.0
MAX_RATE = 48_000  # Hz; what every browser plays

Excerpts = tuple[bytes, bytes]  # damaged, restored: 16-bit FLAC


def excerpt_span(gaps: list[Gap], num_samples: int, sample_rate: int) -> tuple[int, int]:
    """The samples to hear, around the middle of the longest of these gaps; nothing where there is none."""
    if not gaps:
        return 0, 0
    longest = max(gaps, key=lambda gap: gap.stop - gap.start)
    length = int(EXCERPT_S * sample_rate)
    first = max(min((longest.start + longest.stop - length) // 2, num_samples - length), 0)
    return first, min(first + length, num_samples)


def encode_excerpts(damaged: Recording, restored: Recording) -> Excerpts:
    """Both as files that every browser plays."""
    return _to_flac(damaged), _to_flac(restored)


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
