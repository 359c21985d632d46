"""Parts of decaying notes: chords, a melody, a bass; each (n,)."""

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.synthesis.song import Song
from inpaint_ray.synthesis.sounds import place_sound, tone


def chord_notes(song: Song) -> NDArray:
    """Play triads, struck together on every other beat or one note after the other."""
    line = np.zeros(song.num_samples)
    arpeggio = song.random.random() < 0.5
    brightness = song.random.uniform(0.6, 0.85)
    for start, degree in song.chords():
        pitches = [song.pitch(degree + offset) for offset in ((0, 2, 4, 7) if arpeggio else (0, 2, 4))]
        notes = [_note(song, pitch, beats=2, decay_s=0.5, brightness=brightness) for pitch in pitches]
        for step in range(8 if arpeggio else 6):
            beats = step / 2 if arpeggio else 2 * (step // 3)
            late = int(song.random.integers(song.sample_rate // 100))  # up to 10 ms, as fingers are
            note = notes[step % len(notes)] * song.random.uniform(0.6, 1.0)
            place_sound(line, note, start + round(beats * song.beat) + late)
    return line


def melody(song: Song) -> NDArray:
    """Play a random walk over the scale, two octaves up, in notes of half a beat to two beats with vibrato."""
    line = np.zeros(song.num_samples)
    start, degree = 0, 14
    while start < song.num_samples:
        beats = song.random.choice([0.5, 0.5, 1.0, 1.0, 1.5, 2.0])
        if song.random.random() > 0.12:  # else a rest
            note = _note(song, song.pitch(degree), beats=beats, decay_s=1.2, brightness=0.6, vibrato_cents=30)
            place_sound(line, note * song.random.uniform(0.5, 1.0), start)
        start += round(beats * song.beat)
        degree = int(np.clip(degree + song.random.integers(-3, 4), 10, 21))
    return line


def bass(song: Song, beats: float = 2) -> NDArray:
    """Play the roots of the chords an octave down, one note every few beats."""
    line = np.zeros(song.num_samples)
    for start, degree in song.chords():
        note = _note(song, song.pitch(degree - 7), beats=beats, decay_s=0.4, brightness=0.75)
        for place in np.arange(0, 4, beats):
            place_sound(line, note, start + round(place * song.beat))
    return line


def _note(
    song: Song, frequency: float, *, beats: float, decay_s: float, brightness: float, vibrato_cents: float = 0
) -> NDArray:
    """Synthesise a note that decays, its high harmonics first."""
    time = np.arange(round(beats * song.beat)) / song.sample_rate
    vibrato = vibrato_cents / 1200 * np.sin(2 * np.pi * 5.5 * time) * np.minimum(time / 0.3, 1)
    envelope = np.minimum(time / 0.008, 1) * np.exp(-time / decay_s) * np.minimum((time[-1] - time) / 0.03, 1)
    return envelope * tone(frequency * 2**vibrato, brightness * np.exp(-time / (6 * decay_s)), song.sample_rate)
