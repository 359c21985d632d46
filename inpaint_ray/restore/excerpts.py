"""A few seconds around the longest gap of a file, before and after, cut from source and output for the page."""

from collections.abc import Iterator
from contextlib import closing

from inpaint_ray import storage
from inpaint_ray.audio.decode import Recording, join_blocks, read_blocks
from inpaint_ray.audio.runs import Event, join_events
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.filling.waveform import MAX_GAP_S
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.restore.gap_table import read_gaps
from inpaint_ray.restore.manifest import ManifestRow

EXCERPT_S = 6.0


def cut_excerpts(ledger: Ledger, row: ManifestRow, source: str) -> tuple[Recording, Recording]:
    """Cut the excerpts of a file, damaged and restored, around the middle of the longest gap that was filled.

    Args:
        ledger: of the restoration.
        row: of the file.
        source: its URI.

    Raises:
        FileNotFoundError: source or output are gone.
        AudioDecodeError: one is no audio any more, or another recording.
    """
    tables = read_gaps(ledger, row.record, {row.name}, ["name", "channel", "start", "stop", "copy"])
    rows = [each for table in tables for each in table.to_pylist()]
    gaps = join_events([Event(each["channel"], each["start"], each["stop"]) for each in rows])
    length, num_samples = round(EXCERPT_S * row.sample_rate), round(row.seconds * row.sample_rate)
    filled = [gap for gap in gaps if gap.stop - gap.start <= min(MAX_GAP_S * row.sample_rate, num_samples - 1)]
    filled += [Event(each["channel"], each["start"], each["stop"]) for each in rows if each["copy"]]
    longest = max(filled, key=lambda gap: gap.stop - gap.start)
    first = max(min((longest.start + longest.stop - length) // 2, num_samples - length), 0)
    damaged = _cut(source, first, first + length)
    restored = _cut(storage.join(ledger.output, row.output), first, first + length)
    if damaged.samples.shape != restored.samples.shape:
        raise AudioDecodeError(f"{row.name}: the source is not what was restored any more")
    return damaged, restored


def _cut(uri: str, start: int, stop: int) -> Recording:
    with storage.local_file(uri) as path, closing(read_blocks(path)) as blocks:
        parts = list(_parts(blocks, start, stop))
    if not parts:
        raise AudioDecodeError(f"{uri}: ends before {start} samples")
    return join_blocks(parts)


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
