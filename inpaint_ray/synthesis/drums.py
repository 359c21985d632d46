"""Drums: kick, snare and hat."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from inpaint_ray.synthesis.song import Song
from inpaint_ray.synthesis.sounds import place_sound


def drums(song: Song) -> NDArray:
    """Play kick, snare and hat in sixteenths, drawn for the song and varied from bar to bar: (3, n)."""
    lines = np.zeros((3, song.num_samples))
    chances = np.zeros((3, 16))
    chances[0, ::4] = song.random.choice([0.3, 1.0], size=4)  # kick
    chances[1, 4::8] = 1.0  # snare
    chances[2, :: song.random.choice([1, 2])] = 0.9  # hat
    chances[:2] += song.random.choice([0, 0.25], p=[0.8, 0.2], size=(2, 16))
    sounds = (0.9 * _kick(song), 0.6 * _struck_noise(song, 900, 18, 0.25), 0.35 * _struck_noise(song, 6_000, 60, 0.1))
    for start, _ in song.chords():
        for drum, step in np.argwhere(song.random.random((3, 16)) < chances):
            place_sound(lines[drum], sounds[drum] * song.random.uniform(0.5, 1.0), start + round(step * song.beat / 4))
    return lines


def _kick(song: Song) -> NDArray:
    """Synthesise a kick: a sine that falls from 200 to 50 Hz."""
    time = np.arange(round(0.4 * song.sample_rate)) / song.sample_rate
    phase = 2 * np.pi * (50 * time + 150 / 30 * (1 - np.exp(-30 * time)))
    return np.sin(phase) * np.exp(-7 * time)


def _struck_noise(song: Song, above_hz: float, decay: float, duration_s: float) -> NDArray:
    """Synthesise noise above a frequency, falling by `decay` nepers a second."""
    time = np.arange(round(duration_s * song.sample_rate)) / song.sample_rate
    highpass = signal.butter(2, above_hz, "highpass", fs=song.sample_rate, output="sos")
    return signal.sosfilt(highpass, song.random.standard_normal(len(time))) * np.exp(-decay * time)
