"""Genres of synthetic music: each turns a song into parts, (parts, n), which are mixed with reverberation."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import signal

from inpaint_ray.synthesis.drums import drums
from inpaint_ray.synthesis.notes import bass, chord_notes, melody
from inpaint_ray.synthesis.song import Song
from inpaint_ray.synthesis.sounds import at_level
from inpaint_ray.synthesis.textures import drone, weather
from inpaint_ray.synthesis.voice import voice

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10))  # semitones: major, minor, dorian
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4), (0, 6, 5, 4))  # degrees, one chord a bar


def synthesise(
    genre: str, *, duration_s: float, sample_rate: int, num_channels: int, random: Generator
) -> NDArray[np.float64]:
    """Synthesise a track of a genre, (channels, n), peak below 0.9.

    Args:
        genre: a name in GENRES.
        duration_s: in seconds.
        sample_rate: Hz.
        num_channels: 1, or 2 with the parts spread out.
        random: what tempo, key, notes and levels are drawn from.
    """
    song = Song(
        random=random,
        sample_rate=sample_rate,
        num_samples=round(duration_s * sample_rate),
        beat=round(60 / random.uniform(80, 140) * sample_rate),
        root=98 * 2 ** (random.integers(12) / 12),
        scale=SCALES[random.integers(len(SCALES))],
        progression=PROGRESSIONS[random.integers(len(PROGRESSIONS))],
    )
    parts = GENRES[genre](song)
    angles = random.uniform(0.15, 0.35, size=len(parts)) * np.pi  # equal-power panning
    gains = np.stack([np.cos(angles), np.sin(angles)]) if num_channels == 2 else np.ones((1, len(parts)))
    return _master(song, _add_reverberation(song, gains @ parts))


def _tonal(song: Song) -> NDArray:
    return np.stack([at_level(chord_notes(song), 0.7), at_level(melody(song), 0.8), at_level(bass(song), 0.5)])


def _percussive(song: Song) -> NDArray:
    return np.concatenate([drums(song), [at_level(bass(song, beats=0.5), 0.3)]])


def _noisy(song: Song) -> NDArray:
    return np.stack([at_level(weather(song), 0.8), at_level(weather(song), 0.8), at_level(drone(song), 0.5)])


def _sung(song: Song) -> NDArray:
    return np.stack([at_level(voice(song), 1.0), at_level(chord_notes(song), 0.35)])


def _mixed(song: Song) -> NDArray:
    guitar = np.tanh(3 * at_level(chord_notes(song), 1.0))  # the distortion adds the harmonics between the notes
    lead = (melody, voice)[song.random.integers(2)](song)
    hiss = at_level(weather(song), 0.05)
    pitched = [at_level(guitar, 0.5), at_level(bass(song, beats=0.5), 0.4), at_level(lead, 0.6), hiss]
    return np.concatenate([0.8 * drums(song), np.stack(pitched)])


GENRES: dict[str, Callable[[Song], NDArray]] = {
    "Classical": _tonal,
    "Electronic": _percussive,
    "Experimental": _noisy,
    "Folk": _sung,
    "Rock": _mixed,
}


def _add_reverberation(song: Song, samples: NDArray) -> NDArray:
    """Add a little reverberation, different in each channel: convolve with noise that decays within half a second."""
    time = np.arange(song.sample_rate // 2) / song.sample_rate
    tail = np.exp(-time / song.random.uniform(0.05, 0.15))
    echoes = song.random.standard_normal((len(samples), len(time))) * tail
    wet = signal.oaconvolve(samples, echoes / np.sqrt(np.sum(tail**2)), axes=1)[:, : song.num_samples]
    return samples + song.random.uniform(0.1, 0.3) * wet


def _master(song: Song, samples: NDArray) -> NDArray:
    """Bring samples to a level of -21 to -15 dB of full scale, round peaks off at 0.8, and fade the ends."""
    level = 10 ** (song.random.uniform(-21, -15) / 20)
    limited = 0.8 * np.tanh(at_level(samples, level) / 0.8)
    place = np.arange(song.num_samples) / song.sample_rate
    return limited * np.minimum(1, np.minimum(place / 0.02, place[::-1] / 0.2))
