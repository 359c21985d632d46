"""Parts without notes: noise that wanders, and a drone; each (n,)."""

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.synthesis.song import Song
from inpaint_ray.synthesis.sounds import filter_moving, slow_noise, tone


def weather(song: Song) -> NDArray:
    """Synthesise noise in six bands whose levels and centres wander."""
    centres = np.geomspace(150, 8_000, 6) * song.random.uniform(0.8, 1.25, size=6)
    speeds, phases = song.random.uniform(0.1, 1.5, size=(2, 6)), song.random.uniform(0, 2 * np.pi, size=(2, 6))
    widths = song.random.uniform(0.15, 0.6, size=6)  # octaves

    def bands(frequency: NDArray, time: NDArray) -> NDArray:
        octaves = np.log2(np.maximum(frequency, 20))
        gains = np.full((len(frequency), len(time)), 0.02)
        for index, centre in enumerate(centres):
            drift = 0.5 * np.sin(2 * np.pi * speeds[0, index] * time + phases[0, index])
            swell = np.exp(1.5 * np.sin(2 * np.pi * speeds[1, index] * time + phases[1, index]))
            distance = (octaves[:, None] - np.log2(centre) - drift) / widths[index]
            gains += swell * np.exp(-0.5 * distance**2) * (centres[0] / centre) ** 0.5  # falls as pink noise
        return gains

    return filter_moving(song.random.standard_normal(song.num_samples), song.sample_rate, bands)


def drone(song: Song) -> NDArray:
    """Synthesise a low chord whose brightness and level wander."""
    line = np.zeros(song.num_samples)
    for degree in (0, 4, 7):
        frequency = song.pitch(degree) / 2 * (1 + 0.003 * slow_noise(song, 1))
        line += tone(frequency, 0.75 + 0.15 * np.tanh(slow_noise(song, 0.5)), song.sample_rate)
    return line * np.exp(0.7 * slow_noise(song, 0.7))
