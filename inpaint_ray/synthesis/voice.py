"""A synthetic voice that sings vowels."""

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.synthesis.song import Song
from inpaint_ray.synthesis.sounds import filter_moving, slow_noise, smooth, tone

VOWELS_HZ = ((730, 1090, 2440, 3400), (530, 1840, 2480, 3500), (390, 1990, 2550, 3600), (570, 840, 2410, 3300))
FORMANT_WIDTHS_HZ = (90.0, 110.0, 170.0, 250.0)


def voice(song: Song) -> NDArray:
    """Sing phrases: a glottal source that glides from note to note, through formants that glide between vowels."""
    num_notes = 2 * song.num_samples // song.beat + 2
    lengths = np.rint(song.random.choice([0.5, 1.0, 1.0, 1.5], size=num_notes) * song.beat).astype(int)
    note = np.repeat(np.arange(num_notes), lengths)[: song.num_samples]  # number of the note that sounds, (n,)
    degrees = 7 + np.abs(np.cumsum(song.random.integers(-2, 3, size=num_notes))) % 8
    time = np.arange(song.num_samples) / song.sample_rate
    glide = smooth(np.log2([song.pitch(degree) for degree in degrees])[note], 0.04 * song.sample_rate)
    vibrato = 0.02 * np.sin(2 * np.pi * 5.5 * time) + 0.004 * slow_noise(song, 20)
    rests = np.arange(num_notes) % 6 == 5  # a breath ends each phrase
    loudness = smooth((song.random.uniform(0.5, 1.0, size=num_notes) * ~rests)[note], 0.03 * song.sample_rate)
    source = loudness * tone(2 ** (glide + vibrato), np.full(song.num_samples, 0.93), song.sample_rate)
    onset = smooth(np.diff(note, prepend=0).astype(float), 0.02 * song.sample_rate) * 0.02 * song.sample_rate
    breath = (0.01 * loudness + 0.3 * onset) * song.random.standard_normal(song.num_samples)
    vowels = np.array(VOWELS_HZ, dtype=float)[song.random.integers(len(VOWELS_HZ), size=num_notes)]

    def formants(frequency: NDArray, time: NDArray) -> NDArray:
        on = note[np.clip(np.rint(time * song.sample_rate), 0, song.num_samples - 1).astype(int)]
        gains = np.zeros((len(frequency), len(time)))
        for index, width in enumerate(FORMANT_WIDTHS_HZ):
            centre = smooth(vowels[on, index], 12)
            gains += 0.6**index / (1 + ((frequency[:, None] - centre) / width) ** 2)
        return gains

    return filter_moving(source + breath, song.sample_rate, formants)
