"""The first pass over a file, which finds what there is to restore."""

from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.checksums import SoundDigest
from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording, read_blocks
from inpaint_ray.audio.runs import Event, join_events
from inpaint_ray.filling.choice import MAX_FOUND_S, MAX_GAP_S
from inpaint_ray.finding.detection import find_gaps
from inpaint_ray.finding.labels import place_labels, read_labels
from inpaint_ray.finding.registry import find_events
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.manifest import ManifestRow

FLOOR_STEPS = 4  # of the samples: dither is no louder
HIGHEST_FLOOR = 4 / 2**15  # of coarser samples than 16 bits, whose steps are music
FINEST_BITS = 24
TRANSFORM_CODECS = ("MPEG_LAYER", "VORBIS", "OPUS")  # subtypes that smear the edges of dropouts
MOST_KEPT = 2**23  # samples of all channels that are kept for the second reading; a longer file is decoded again


@dataclass(frozen=True)
class Survey:
    """The findings of the first pass over a file."""

    sound: Recording  # a block without samples: rate, channels and format
    num_samples: int
    gaps: list[Event]
    silent: bool  # every sample is zero
    finite: bool
    num_over: int  # samples above full scale, which integers cannot hold
    peak: float = 0.0  # the largest magnitude of a finite sample, full scale 1
    kept: list[Recording] | None = None  # all of a short file
    sound_sha256: str = ""  # of all samples: see `audio.checksums`

    def read_again(self, path: Path) -> Generator[Recording, None, None]:
        """Yield the recording in blocks, once: a short one is released from memory as it is yielded."""
        if self.kept is None:
            yield from read_blocks(path)
            return
        while self.kept:
            yield self.kept.pop(0)

    @property
    def has_clipping(self) -> bool:
        """Return True where clipped samples are to be restored, which may come out above full scale."""
        return any(event.kind == "clipped" for event in self.to_fill())

    def to_fill(self) -> list[Event]:
        """Return the gaps to fill: those up to the longest that may be filled, with sound left in their channel."""
        return self.up_to(MAX_FOUND_S)

    def up_to(self, longest_s: float) -> list[Event]:
        """Return the gaps up to a length, in seconds, with sound left in their channel."""
        longest = min(longest_s * self.sound.sample_rate, self.num_samples - 1)
        return [gap for gap in self.gaps if gap.stop - gap.start <= longest]


def survey_file(path: Path, labels: str | None, config: RestoreConfig) -> Survey:
    """Find the lost samples of a file: the gaps that labels mark, or, without labels, those that detectors find.

    Samples that are not finite are always lost.

    Raises:
        AudioDecodeError: the file is no audio, or cut off.
        LabelError: the labels are damaged, or lie past the end.
        ValueError: nothing is left to restore from.
    """
    blocks = read_blocks(path)
    first = next(blocks)
    num_samples, num_over, silent, num_bad, peak = 0, 0, True, 0, 0.0
    kept: list[Recording] | None = []
    digest = SoundDigest()

    def floats() -> Iterator[NDArray]:
        nonlocal num_samples, num_over, silent, num_bad, peak, kept
        block: Recording | None = first
        while block is not None:
            num_samples += block.num_samples
            digest.add(block)
            kept = [*kept, block] if kept is not None and num_samples * len(block.samples) <= MOST_KEPT else None
            silent = silent and not block.samples.any()
            if block.samples.dtype != np.int32:
                num_bad += int(np.count_nonzero(~np.isfinite(block.samples)))
                num_over += int(np.count_nonzero(np.abs(block.samples) > 1))
            sound = block.to_float()
            peak = max(peak, float(np.abs(sound).max(initial=0.0, where=np.isfinite(sound))))
            yield sound
            block = next(blocks, None)

    with closing(blocks):
        if labels is None:
            gaps = find_events(
                floats(),
                first.sample_rate,
                kinds=config.find,
                sensitivity=config.sensitivity,
                min_gap_s=config.min_gap_ms / 1000,
                floor=_floor(first),
                lossy=first.subtype.startswith(TRANSFORM_CODECS),
            )
        else:
            gaps = find_gaps(floats(), first.sample_rate, min_gap_s=None)
    if labels is not None:
        marked = place_labels(read_labels(labels), len(first.samples), num_samples, first.sample_rate)
        gaps = join_events([*gaps, *marked])
    if count_samples(gaps) == num_samples * len(first.samples):
        raise ValueError("all of it is lost: nothing to restore from")
    finite = num_bad == 0
    return Survey(first.cut(0, 0), num_samples, gaps, silent, finite, num_over, peak, kept, digest.hex())


def describe(row: ManifestRow, survey: Survey, silent: Collection[Event] | None = None) -> ManifestRow:
    """Return the row of a file.

    Args:
        row: as far as it is known.
        survey: of the file.
        silent: gaps, or parts of them, that were left silent; None before any is filled, when long ones may still be
            found elsewhere.
    """
    rate = survey.sound.sample_rate
    if silent is None:
        predicted = set(survey.up_to(MAX_GAP_S))
        unfilled = [gap for gap in survey.gaps if gap not in predicted]
    else:
        unfilled = list(silent)
    spans, left = _spans(survey.gaps), _spans(unfilled)
    error = "silent: dropouts cannot be told from silence" if survey.silent and not survey.gaps else ""
    if left:
        count = "1 gap" if len(left) == 1 else f"{len(left)} gaps"
        seconds = sum(stop - start for start, stop in left) / rate
        what = "left silent" if silent is not None else "silent unless another channel or passage has it"
        error = f"{what}: {count} longer than {MAX_GAP_S:g} s, {seconds:.2f} s in all"
    return replace(
        row,
        status="unchanged" if not spans else "partly" if left else "restored",
        error=error,
        seconds=survey.num_samples / rate,
        sample_rate=rate,
        channels=len(survey.sound.samples),
        gaps=len(spans),
        longest_gap_s=max((stop - start for start, stop in spans), default=0) / rate,
        samples_replaced=count_samples(survey.gaps) - count_samples(unfilled),
        kinds=dict(sorted(Counter(gap.kind for gap in survey.gaps).items())),
        least_confidence=min((gap.confidence for gap in survey.gaps), default=0.0),
        source_sound_sha256=survey.sound_sha256,
    )


def count_samples(gaps: Iterable[Event]) -> int:
    """Return the samples of gaps that do not overlap, summed over channels."""
    return sum(gap.stop - gap.start for gap in gaps)


def _floor(sound: Recording) -> float:
    """Return the amplitude of the loudest dither."""
    bits = min(INTEGER_SUBTYPES.get(sound.subtype, FINEST_BITS), FINEST_BITS)
    return min(FLOOR_STEPS / 2 ** (bits - 1), HIGHEST_FLOOR)


def _spans(gaps: list[Event]) -> list[tuple[int, int]]:
    """Return the stretches in which any channel is lost."""
    return [(gap.start, gap.stop) for gap in join_events([gap._replace(channel=0) for gap in gaps])]
