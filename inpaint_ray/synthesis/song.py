"""Songs: tempo, scale and chords that the parts of a track share.

Shapes here and in the parts: n = samples, F = bins, T = frames. A part is (n,), a kind (parts, n), a track
(channels, n), all in float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from numpy.random import Generator


@dataclass(frozen=True)
class Song:
    """Tempo, scale and chords that the parts of a track share."""

    random: Generator
    sample_rate: int  # Hz
    num_samples: int  # n
    beat: int  # samples, 80 to 140 a minute
    root: float  # Hz, 98 to 185
    scale: tuple[int, ...]
    progression: tuple[int, ...]

    def pitch(self, degree: int) -> float:
        """Return the pitch in Hz of a degree of the scale; seven degrees are an octave."""
        octave, step = divmod(degree, len(self.scale))
        return float(self.root * 2 ** (octave + self.scale[step] / 12))

    def chords(self) -> Iterator[tuple[int, int]]:
        """Yield start in samples and degree of the root of each chord, one a bar of four beats."""
        for bar, start in enumerate(range(0, self.num_samples, 4 * self.beat)):
            yield start, self.progression[bar % len(self.progression)]
