"""Excerpts of sound around repairs, before and after, for the page to play: half a second on either side.

Only the restored file is read, and of it only these stretches; what was in its gaps comes from the record. Both
versions share one FLAC: the restored sound, beside which stand the few samples in which the damaged one differs.

Shapes: n = samples.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import soundfile

from inpaint_ray import storage
from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording
from inpaint_ray.audio.encode import encode
from inpaint_ray.audio.runs import find_runs
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.pages.sounds import to_playable
from inpaint_ray.restore.gap_table import read_gaps

MARGIN_S = 0.5  # on either side
MOST_GAP_S = 2.0  # of a longer gap only its beginning is played
MOST_CHANNELS = 2  # the first of those that were repaired
COLUMNS = ["name", "channel", "start", "stop", "dtype", "replaced"]
Place = tuple[list[int], int, int]  # channels, first sample and one past the last of a repair


@dataclass(frozen=True)
class Excerpt:
    """The sound around a repair, before and after; its fields are JSON."""

    rate: int  # Hz, of the playback
    first_s: float  # its start in the file
    flac: str  # base64; the restored sound
    patches: list[list[int | str]]  # channel, first sample, and damaged samples: base64 of int16, little-endian
    gain_db: float  # of both; below 0 where what was restored is above full scale


def cut_excerpts(ledger: Ledger, name: str, output: str, record: str, places: Sequence[Place]) -> list[Excerpt]:
    """Cut the excerpts around repairs of a file.

    Args:
        ledger: of the restoration.
        name: of the file in the input.
        output: its name in the output.
        record: that has its gaps.
        places: of the repairs.

    Raises:
        FileNotFoundError: the restored file is gone.
        PermissionError: it may not be read.
        UnreadableError: it cannot be read this time.
        AudioDecodeError: it is no audio any more, or shorter than it was.
        DamagedRecord: the record is gone or damaged.
    """
    uri = storage.join(ledger.output, output)
    try:
        with storage.open_input(uri) as stream, soundfile.SoundFile(stream) as file:
            windows = [_window(start, stop, file.samplerate, file.frames) for _, start, stop in places]
            restored = [_read(file, *window) for window in windows]
    except soundfile.SoundFileError as error:
        raise AudioDecodeError(f"{uri}: not readable as audio: {error}") from error
    damaged = [replace(each, samples=each.samples.copy()) for each in restored]
    _put_back(ledger, name, record, damaged, windows)
    return [
        make_excerpt(before, after, channels, first=window[0])
        for before, after, (channels, _, _), window in zip(damaged, restored, places, windows, strict=True)
    ]


def make_excerpt(damaged: Recording, restored: Recording, channels: Sequence[int], *, first: int) -> Excerpt:
    """Pack a stretch of sound, before and after, for the page.

    Args:
        damaged: the stretch as it came.
        restored: the same stretch; both have 16 bits and at most 48 kHz on the page.
        channels: that were repaired.
        first: sample of the file that it begins with.
    """
    chosen = list(channels)[:MOST_CHANNELS]
    before, after = (np.nan_to_num(each.to_float()[chosen], posinf=1.0, neginf=-1.0) for each in (damaged, restored))
    gain = 1 / max(float(np.abs(after).max(initial=0.0)), 1.0)
    (old, _), (new, rate) = (to_playable(gain * each, restored.sample_rate) for each in (before, after))
    flac = encode(Recording(samples=new, sample_rate=rate, container="FLAC", subtype="PCM_16"))
    patches: list[list[int | str]] = [
        [channel, int(start), _to_text((old[channel, start:stop] >> 16).astype("<i2").tobytes())]
        for channel in range(len(new))
        for start, stop in zip(*find_runs(old[channel] != new[channel]), strict=True)
    ]
    return Excerpt(rate, first / restored.sample_rate, _to_text(flac), patches, round(20 * float(np.log10(gain)), 2))


def _window(start: int, stop: int, rate: int, num_samples: int) -> tuple[int, int]:
    """Return the stretch around a repair that is played."""
    margin, most = round(MARGIN_S * rate), round(MOST_GAP_S * rate)
    return max(start - margin, 0), min(min(stop, start + most) + margin, num_samples)


def _read(file: soundfile.SoundFile, start: int, stop: int) -> Recording:
    """Read a stretch of an open file.

    Raises:
        AudioDecodeError: the file ends before.
    """
    dtype = "int32" if file.subtype in INTEGER_SUBTYPES else "float64" if file.subtype == "DOUBLE" else "float32"
    if start < stop:
        file.seek(start)
        samples = file.read(stop - start, dtype=dtype, always_2d=True).T
    if start >= stop or samples.shape[1] < stop - start:
        raise AudioDecodeError(f"ends before {stop} samples")
    return Recording(samples=samples, sample_rate=file.samplerate, container=file.format, subtype=file.subtype)


def _put_back(
    ledger: Ledger, name: str, record: str, stretches: list[Recording], windows: list[tuple[int, int]]
) -> None:
    """Put the original samples of gaps back into stretches of a file."""
    for table in read_gaps(ledger, record, {name}, COLUMNS):
        starts, stops = table["start"].to_numpy(), table["stop"].to_numpy()
        for stretch, (first, last) in zip(stretches, windows, strict=True):
            for gap in table.take(np.flatnonzero((starts < last) & (stops > first))).to_pylist():
                begin, end = max(gap["start"], first), min(gap["stop"], last)
                values = np.frombuffer(gap["replaced"], gap["dtype"])[begin - gap["start"] : end - gap["start"]]
                stretch.samples[gap["channel"], begin - first : end - first] = values


def _to_text(data: bytes) -> str:
    return base64.b64encode(data).decode()
