"""A few seconds around the longest gap of a file, before and after, cut from source and output for the page."""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import torch
import torchaudio.functional

from inpaint_ray import storage
from inpaint_ray.audio.decode import Recording, join_blocks, read_blocks
from inpaint_ray.audio.encode import encode, to_integers
from inpaint_ray.audio.runs import Gap, join_gaps
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.restore.gap_table import read_gaps
from inpaint_ray.restore.manifest import ManifestRow

EXCERPT_S = 6.0
MAX_RATE = 48_000  # Hz; what every browser plays


def cut_excerpts(ledger: Ledger, row: ManifestRow, source: str) -> tuple[Recording, Recording]:
    """Cut the excerpts of a file, damaged and restored, around the middle of the longest gap that was filled.

    Args:
        ledger: of the restoration.
        row: of the file.
        source: its URI.

    Raises:
        FileNotFoundError: source or output are gone.
        AudioDecodeError: one is no audio any more.
    """
    tables = read_gaps(ledger, row.record, {row.name}, ["name", "channel", "start", "stop", "method"])
    rows = [each for table in tables for each in table.to_pylist() if each["method"] != "silence"]
    gaps = join_gaps([Gap(each["channel"], each["start"], each["stop"]) for each in rows])
    longest = max(gaps, key=lambda gap: gap.stop - gap.start)
    length, num_samples = round(EXCERPT_S * row.sample_rate), round(row.seconds * row.sample_rate)
    first = max(min((longest.start + longest.stop - length) // 2, num_samples - length), 0)
    damaged = _cut(source, first, first + length)
    return damaged, _cut(storage.join(ledger.output, row.output), first, first + length)


def _cut(uri: str, start: int, stop: int) -> Recording:
    with storage.local_file(uri) as path, closing(read_blocks(path)) as blocks:
        return join_blocks(list(_parts(blocks, start, stop)))


def _parts(blocks: Iterator[Recording], start: int, stop: int) -> Iterator[Recording]:
    """Yield what lies between two samples, and read no further."""
    first = 0
    for block in blocks:
        last = first + block.num_samples
        if last > start:
            yield block.cut(max(start - first, 0), min(stop - first, block.num_samples))
        if last >= stop:
            return
        first = last


def to_flac(recording: Recording) -> bytes:
    """Encode a recording as every browser plays it: 16 bits, at most two channels and 48 kHz."""
    samples = torch.from_numpy(np.nan_to_num(recording.to_float().astype(np.float32)))
    if len(samples) > 2:
        samples = samples.mean(dim=0, keepdim=True)
    rate = min(recording.sample_rate, MAX_RATE)
    if rate != recording.sample_rate:
        samples = torchaudio.functional.resample(samples, recording.sample_rate, rate)
    integers = to_integers(samples.numpy(), "PCM_16")
    return encode(Recording(samples=integers, sample_rate=rate, container="FLAC", subtype="PCM_16"))
