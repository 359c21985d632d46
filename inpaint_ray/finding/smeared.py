"""Dropouts that were there before lossy encoding: near zeros, with edges that the codec's transform has smeared.

MP3, AAC and Vorbis give digital silence back as (nearly) that, but for the length of a transform block on either side,
where sound dies away from 20 dB below its level (measured in docs/finding.md).

Shapes: n = samples, b = blocks.
"""

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.runs import Event, Kind
from inpaint_ray.finding.windows import Window, Windows

BLOCK_S = 0.005  # whose peaks are looked at
AROUND_BLOCKS = 8  # of sound on either side
LONGEST_S = 5.0
HOP_S = 10.0
STEP = 0.1  # of the level on both sides: sound falls below it within a block, and stays there
LEAST_LEVEL = 3e-3  # -50 dB: of the sound on both sides
LEAST_EDGE = 0.3  # of the median peak on a side, that the nearest block has: what decays by itself ends far below
MOST_RISE = 2.0  # of the peaks after to those before: a note that dies away into a pause is followed by a louder one
SILENT = 1e-5  # -100 dB: somewhere inside, nothing is left
CONFIDENCE = 0.9

Signal = NDArray[np.float64]


class Smeared:
    """The detector of `muted` stretches of 20 ms to 5 s in sound that was decoded from a lossy file."""

    def __init__(self, sample_rate: int) -> None:
        self.block = max(round(BLOCK_S * sample_rate), 8)
        per_second = round(sample_rate / self.block)
        self.longest = round(LONGEST_S * per_second)  # blocks
        hop, margin = round(HOP_S * per_second), self.longest + 2 * AROUND_BLOCKS
        self._windows = Windows(hop * self.block, margin * self.block)

    def look(self, block: NDArray) -> list[Event]:
        """Take the next block, (channels, n); returns the events that it decides."""
        return [event for window in self._windows.push(block) for event in self._decide(window)]

    def finish(self) -> list[Event]:
        """Return the events that the end of the stream decides."""
        return [event for window in self._windows.finish() for event in self._decide(window)]

    def _decide(self, window: Window) -> list[Event]:
        kind: Kind = "muted"
        events = []
        for channel, samples in enumerate(window.samples):
            sound = np.abs(np.nan_to_num(samples, posinf=0.0, neginf=0.0))
            for start, stop in self._gaps(sound):
                if window.start <= start < window.stop:
                    events.append(Event(channel, window.first + start, window.first + stop, kind, CONFIDENCE))
        return events

    def _gaps(self, sound: Signal) -> list[tuple[int, int]]:
        """Return starts and stops, in samples, of the stretches between a fall and a rise."""
        count = len(sound) // self.block
        if count < 2 * AROUND_BLOCKS + 2:
            return []
        peaks = sound[: count * self.block].reshape(count, self.block).max(axis=1)
        levels = np.median(np.lib.stride_tricks.sliding_window_view(peaks, AROUND_BLOCKS), axis=1)
        gaps, after = [], 0
        for fall in self._falls(peaks, levels):
            if fall < after:
                continue
            threshold = STEP * levels[fall - AROUND_BLOCKS + 1]
            inside = peaks[fall + 2 : fall + 2 + self.longest]
            loud = np.flatnonzero(inside > threshold)
            if not len(loud) or inside[: loud[0]].min(initial=1.0) > SILENT:
                continue
            rise = fall + 2 + int(loud[0])  # the first block of sound, in part perhaps
            is_louder = peaks[rise : rise + 2].max() > MOST_RISE * peaks[fall - 1 : fall + 1].max()
            if is_louder or not self._rises(peaks, levels, rise):
                continue
            gaps.append(self._edges(sound, fall, rise, threshold))
            after = rise
        return gaps

    def _falls(self, peaks: Signal, levels: Signal) -> list[int]:
        """Return the last blocks before sound breaks off, as loud as those before them."""
        last = np.arange(AROUND_BLOCKS - 1, len(peaks) - 2)
        level = levels[last - AROUND_BLOCKS + 1]
        falls = (level > LEAST_LEVEL) & (peaks[last] > LEAST_EDGE * level) & (peaks[last + 2] <= STEP * level)
        return last[falls & (peaks[last + 1] <= level)].tolist()

    def _rises(self, peaks: Signal, levels: Signal, rise: int) -> bool:
        """Decide if sound is back at once: within two blocks as loud as what follows."""
        if rise + AROUND_BLOCKS + 1 > len(peaks):
            return False
        level = levels[rise + 1]
        return bool(level > LEAST_LEVEL and peaks[rise : rise + 2].max() > LEAST_EDGE * level)

    def _edges(self, sound: Signal, fall: int, rise: int, threshold: float) -> tuple[int, int]:
        """Return the first and one past the last sample between loud ones."""
        first, last = fall * self.block, (rise + 1) * self.block
        loud = np.flatnonzero(sound[first:last] > threshold)
        gap = int(np.argmax(np.diff(loud)))  # the longest stretch without a loud sample
        return first + int(loud[gap]) + 1, first + int(loud[gap + 1])
