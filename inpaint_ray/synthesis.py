"""A small archive of synthetic music in FMA's layout: the whole chain can be shown and tested without anyone's audio.

Every genre is a kind of sound: decaying notes, drums, noise, a sung line, and all of them mixed. Five genres, 3 splits.
Shapes: n = samples, F = bins, T = frames. A kind gives (parts, n), a track is (channels, n), both in float64.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import signal

from inpaint_ray import storage
from inpaint_ray.audio.damage import draw_gaps
from inpaint_ray.audio.decode import Recording, read_recording
from inpaint_ray.audio.encode import encode, to_integers
from inpaint_ray.errors import UsageError
from inpaint_ray.fma.tracks import list_fma

VERSION = 1  # of the sounds: another one makes archives of before unwelcome
PARAMETERS = "synthetic.json"
FEWEST_TRACKS = 15  # one of each genre in each split
MOST_TRACKS = 7_000  # six digits hold the ids
ID_STEP = 137  # between track ids, so that a few tracks fill several of FMA's folders
HELD_OUT_SHARE = 0.15  # of a genre's tracks, in validation and again in test
ANOTHER_RATE = {0: 48_000, 6: 22_050}  # of every seven tracks
MONO = (2, 6)  # of every seven tracks

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10))  # semitones: major, minor, dorian
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4), (0, 6, 5, 4))  # degrees, one chord a bar
VOWELS_HZ = ((730, 1090, 2440, 3400), (530, 1840, 2480, 3500), (390, 1990, 2550, 3600), (570, 840, 2410, 3300))
FORMANT_WIDTHS_HZ = (90.0, 110.0, 170.0, 250.0)
HIGHEST_HARMONIC_HZ = 11_000.0


@dataclass(frozen=True)
class _Song:
    """What the parts of a track share."""

    random: Generator
    sample_rate: int  # Hz
    num_samples: int  # n
    beat: int  # samples, 80 to 140 a minute
    root: float  # Hz, 98 to 185
    scale: tuple[int, ...]
    progression: tuple[int, ...]

    def pitch(self, degree: int) -> float:
        """Hz of a degree of the scale; seven degrees are an octave."""
        octave, step = divmod(degree, len(self.scale))
        return float(self.root * 2 ** (octave + self.scale[step] / 12))

    def chords(self) -> Iterator[tuple[int, int]]:
        """Start in samples and degree of the root, bar by bar of four beats."""
        for bar, start in enumerate(range(0, self.num_samples, 4 * self.beat)):
            yield start, self.progression[bar % len(self.progression)]


def write_archive(
    folder: Path, *, num_tracks: int = 32, duration_s: float = 12.0, seed: int = 0, sample_rate: int = 44_100
) -> None:
    """Write FOLDER/fma_music/NNN/NNNNNN.mp3 and FOLDER/fma_metadata/tracks.csv, the list last.

    Genres follow each other in turn; about 15 % of each validate and 15 % test, at least one each. As in real life,
    two of seven tracks are mono, one has 48 kHz and one 22.05 kHz. A complete archive of these parameters is left as
    it is, an unfinished one is written anew.

    Args:
        folder: where to write; made if need be.
        num_tracks: at least 15.
        duration_s: of every track, in seconds.
        seed: same seed and parameters, same audio, with the same versions of numpy, scipy and libsndfile.
        sample_rate: of most tracks, in Hz: one that MP3 knows.

    Raises:
        ValueError: num_tracks is outside its range.
        UsageError: the folder holds something else, or an archive of other parameters.
    """
    if not FEWEST_TRACKS <= num_tracks <= MOST_TRACKS:
        raise ValueError(f"num_tracks must be between {FEWEST_TRACKS} and {MOST_TRACKS}, got {num_tracks}")
    parameters = {
        "version": VERSION,
        "num_tracks": num_tracks,
        "duration_s": duration_s,
        "seed": seed,
        "sample_rate": sample_rate,
    }
    tracks_csv = folder / "fma_metadata" / "tracks.csv"
    if _holds(folder, parameters) and tracks_csv.exists():
        return
    storage.write_bytes(str(folder / PARAMETERS), json.dumps(parameters, indent=2).encode() + b"\n")
    for number in range(num_tracks):
        samples, rate = _synthesise_number(number, duration_s, seed, sample_rate)
        storage.write_bytes(str(_mp3_path(folder, number)), _encode_mp3(samples, rate))
    storage.write_bytes(str(tracks_csv), _tracks_csv(num_tracks, duration_s).encode())


def write_damaged_copy(
    archive: Path,
    output: Path,
    *,
    seed: int = 0,
    share: float = 0.02,
    min_gap_s: float = 0.01,
    max_gap_s: float = 0.06,
) -> None:
    """Write the test tracks of an archive as OUTPUT/damaged/GENRE/NNNNNN.wav or .flac, and the truth in OUTPUT/clean.

    WAV and FLAC take turns, both of 16 bits, with the track's own rate and channels. Lost samples are zero in every
    channel; every other sample of the damaged file is the clean one's, bit for bit.

    Args:
        archive: a folder written by `write_archive`.
        output: where to write; files of the same names are replaced.
        seed: same seed and archive, same gaps.
        share: of the samples to lose, about; in (0, 0.5].
        min_gap_s: the shortest gap in seconds.
        max_gap_s: the longest gap in seconds.
    """
    tracks_csv = archive / "fma_metadata" / "tracks.csv"
    listing = list_fma(str(archive / "fma_music"), str(tracks_csv), protocol="official")
    tests = [track for track in listing.tracks if track.split == "test"]
    for number, track in enumerate(tests):
        source = read_recording(storage.read_bytes(track.uri))
        lost = draw_gaps(
            source.num_samples,
            source.sample_rate,
            seed=seed * 1_000_000 + track.track_id,  # tracks of one length would share their gaps otherwise
            share=share,
            min_gap_s=min_gap_s,
            max_gap_s=max_gap_s,
        )
        clean = to_integers(source.to_float(), "PCM_16")
        container = ("WAV", "FLAC")[number % 2]
        for folder, samples in (("clean", clean), ("damaged", np.where(lost, np.int32(0), clean))):
            path = output / folder / track.genre / f"{track.track_id:06d}.{container.lower()}"
            recording = Recording(
                samples=samples, sample_rate=source.sample_rate, container=container, subtype="PCM_16"
            )
            storage.write_bytes(str(path), encode(recording))


def synthesise(
    genre: str, *, duration_s: float, sample_rate: int, num_channels: int, random: Generator
) -> NDArray[np.float64]:
    """A track of one kind, (channels, n), peak below 0.9.

    Args:
        genre: a name in GENRES.
        duration_s: in seconds.
        sample_rate: Hz.
        num_channels: 1, or 2 with the parts spread out.
        random: what tempo, key, notes and levels are drawn from.
    """
    song = _Song(
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
    return _master(song, _add_room(song, gains @ parts))


# Kinds: song -> (parts, n), each part of a root mean square that suits the mix.


def _tonal(song: _Song) -> NDArray:
    return np.stack([_level(_chord_notes(song), 0.7), _level(_melody(song), 0.8), _level(_bass(song), 0.5)])


def _percussive(song: _Song) -> NDArray:
    return np.concatenate([_drums(song), [_level(_bass(song, beats=0.5), 0.3)]])


def _noisy(song: _Song) -> NDArray:
    return np.stack([_level(_weather(song), 0.8), _level(_weather(song), 0.8), _level(_drone(song), 0.5)])


def _sung(song: _Song) -> NDArray:
    return np.stack([_level(_voice(song), 1.0), _level(_chord_notes(song), 0.35)])


def _mixed(song: _Song) -> NDArray:
    guitar = np.tanh(3 * _level(_chord_notes(song), 1.0))  # the distortion adds the harmonics between the notes
    lead = (_melody, _voice)[song.random.integers(2)](song)
    hiss = _level(_weather(song), 0.05)
    pitched = [_level(guitar, 0.5), _level(_bass(song, beats=0.5), 0.4), _level(lead, 0.6), hiss]
    return np.concatenate([0.8 * _drums(song), np.stack(pitched)])


GENRES: dict[str, Callable[[_Song], NDArray]] = {
    "Classical": _tonal,
    "Electronic": _percussive,
    "Experimental": _noisy,
    "Folk": _sung,
    "Rock": _mixed,
}


# Parts: song -> (n,).


def _chord_notes(song: _Song) -> NDArray:
    """Triads, struck together on every other beat or one note after the other."""
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
            _place(line, note, start + round(beats * song.beat) + late)
    return line


def _melody(song: _Song) -> NDArray:
    """A walk over the scale, two octaves up, in notes of half a beat to two beats with vibrato."""
    line = np.zeros(song.num_samples)
    start, degree = 0, 14
    while start < song.num_samples:
        beats = song.random.choice([0.5, 0.5, 1.0, 1.0, 1.5, 2.0])
        if song.random.random() > 0.12:  # else a rest
            note = _note(song, song.pitch(degree), beats=beats, decay_s=1.2, brightness=0.6, vibrato_cents=30)
            _place(line, note * song.random.uniform(0.5, 1.0), start)
        start += round(beats * song.beat)
        degree = int(np.clip(degree + song.random.integers(-3, 4), 10, 21))
    return line


def _bass(song: _Song, beats: float = 2) -> NDArray:
    """The roots of the chords an octave down, one note every so many beats."""
    line = np.zeros(song.num_samples)
    for start, degree in song.chords():
        note = _note(song, song.pitch(degree - 7), beats=beats, decay_s=0.4, brightness=0.75)
        for place in np.arange(0, 4, beats):
            _place(line, note, start + round(place * song.beat))
    return line


def _drums(song: _Song) -> NDArray:
    """Kick, snare and hat in sixteenths, drawn for the song and varied from bar to bar, (3, n)."""
    lines = np.zeros((3, song.num_samples))
    chances = np.zeros((3, 16))
    chances[0, ::4] = song.random.choice([0.3, 1.0], size=4)  # kick
    chances[1, 4::8] = 1.0  # snare
    chances[2, :: song.random.choice([1, 2])] = 0.9  # hat
    chances[:2] += song.random.choice([0, 0.25], p=[0.8, 0.2], size=(2, 16))
    sounds = (0.9 * _kick(song), 0.6 * _struck_noise(song, 900, 18, 0.25), 0.35 * _struck_noise(song, 6_000, 60, 0.1))
    for start, _ in song.chords():
        for drum, step in np.argwhere(song.random.random((3, 16)) < chances):
            _place(lines[drum], sounds[drum] * song.random.uniform(0.5, 1.0), start + round(step * song.beat / 4))
    return lines


def _voice(song: _Song) -> NDArray:
    """Sung phrases: a glottal source that glides from note to note, through formants that glide from vowel to vowel."""
    num_notes = 2 * song.num_samples // song.beat + 2
    lengths = np.rint(song.random.choice([0.5, 1.0, 1.0, 1.5], size=num_notes) * song.beat).astype(int)
    note = np.repeat(np.arange(num_notes), lengths)[: song.num_samples]  # which note is on, (n,)
    degrees = 7 + np.abs(np.cumsum(song.random.integers(-2, 3, size=num_notes))) % 8
    time = np.arange(song.num_samples) / song.sample_rate
    glide = _smooth(np.log2([song.pitch(degree) for degree in degrees])[note], 0.04 * song.sample_rate)
    vibrato = 0.02 * np.sin(2 * np.pi * 5.5 * time) + 0.004 * _slow_noise(song, 20)
    rests = np.arange(num_notes) % 6 == 5  # a breath ends each phrase
    loudness = _smooth((song.random.uniform(0.5, 1.0, size=num_notes) * ~rests)[note], 0.03 * song.sample_rate)
    source = loudness * _tone(2 ** (glide + vibrato), np.full(song.num_samples, 0.93), song.sample_rate)
    onset = _smooth(np.diff(note, prepend=0).astype(float), 0.02 * song.sample_rate) * 0.02 * song.sample_rate
    breath = (0.01 * loudness + 0.3 * onset) * song.random.standard_normal(song.num_samples)
    vowels = np.array(VOWELS_HZ, dtype=float)[song.random.integers(len(VOWELS_HZ), size=num_notes)]

    def formants(frequency: NDArray, time: NDArray) -> NDArray:
        on = note[np.clip(np.rint(time * song.sample_rate), 0, song.num_samples - 1).astype(int)]
        gains = np.zeros((len(frequency), len(time)))
        for index, width in enumerate(FORMANT_WIDTHS_HZ):
            centre = _smooth(vowels[on, index], 12)
            gains += 0.6**index / (1 + ((frequency[:, None] - centre) / width) ** 2)
        return gains

    return _shape(source + breath, song.sample_rate, formants)


def _weather(song: _Song) -> NDArray:
    """Noise in six bands whose levels and centres wander."""
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

    return _shape(song.random.standard_normal(song.num_samples), song.sample_rate, bands)


def _drone(song: _Song) -> NDArray:
    """A low chord whose brightness and level wander."""
    line = np.zeros(song.num_samples)
    for degree in (0, 4, 7):
        frequency = song.pitch(degree) / 2 * (1 + 0.003 * _slow_noise(song, 1))
        line += _tone(frequency, 0.75 + 0.15 * np.tanh(_slow_noise(song, 0.5)), song.sample_rate)
    return line * np.exp(0.7 * _slow_noise(song, 0.7))


# Sounds.


def _note(
    song: _Song, frequency: float, *, beats: float, decay_s: float, brightness: float, vibrato_cents: float = 0
) -> NDArray:
    """A note that decays, its high harmonics first."""
    time = np.arange(round(beats * song.beat)) / song.sample_rate
    vibrato = vibrato_cents / 1200 * np.sin(2 * np.pi * 5.5 * time) * np.minimum(time / 0.3, 1)
    envelope = np.minimum(time / 0.008, 1) * np.exp(-time / decay_s) * np.minimum((time[-1] - time) / 0.03, 1)
    return envelope * _tone(frequency * 2**vibrato, brightness * np.exp(-time / (6 * decay_s)), song.sample_rate)


def _kick(song: _Song) -> NDArray:
    """A sine that falls from 200 to 50 Hz."""
    time = np.arange(round(0.4 * song.sample_rate)) / song.sample_rate
    phase = 2 * np.pi * (50 * time + 150 / 30 * (1 - np.exp(-30 * time)))
    return np.sin(phase) * np.exp(-7 * time)


def _struck_noise(song: _Song, above_hz: float, decay: float, duration_s: float) -> NDArray:
    """Noise above a frequency, falling by `decay` nepers a second."""
    time = np.arange(round(duration_s * song.sample_rate)) / song.sample_rate
    highpass = signal.butter(2, above_hz, "highpass", fs=song.sample_rate, output="sos")
    return signal.sosfilt(highpass, song.random.standard_normal(len(time))) * np.exp(-decay * time)


def _tone(frequency: NDArray, brightness: NDArray, sample_rate: int) -> NDArray:
    """Harmonics k = 1 to K of amplitude brightness ** k: the closed form of a geometric series.

    Args:
        frequency: (n,) Hz.
        brightness: (n,) in (0, 1).
        sample_rate: Hz; K keeps the highest harmonic below 0.45 of it and below 11 kHz.
    """
    phase = 2 * np.pi * np.cumsum(frequency) / sample_rate
    num_harmonics = int(min(0.45 * sample_rate, HIGHEST_HARMONIC_HZ) / frequency.max())
    beyond = np.exp(num_harmonics * np.log(brightness))  # brightness ** K, three times as fast
    beyond *= brightness * np.sin(num_harmonics * phase) - np.sin((num_harmonics + 1) * phase)
    sum_ = brightness * (np.sin(phase) + beyond) / (1 - 2 * brightness * np.cos(phase) + brightness**2)
    return np.sqrt(1 - brightness**2) * sum_


def _shape(samples: NDArray, sample_rate: int, gains: Callable[[NDArray, NDArray], NDArray]) -> NDArray:
    """Samples through a filter that moves: gains(F frequencies in Hz, T times in s) -> (F, T)."""
    size = 2 * round(0.012 * sample_rate)
    # Not ShortTimeFFT, which transforms one frame at a time and takes twice as long.
    frequency, time, spectrum = signal.stft(samples, sample_rate, nperseg=size)
    _, shaped = signal.istft(spectrum * gains(frequency, time), sample_rate, nperseg=size)
    return shaped[: len(samples)]


def _slow_noise(song: _Song, per_s: float) -> NDArray:
    """Normal draws, so many a second, joined by lines, (n,)."""
    places = np.arange(0, song.num_samples + 2 * song.sample_rate / per_s, song.sample_rate / per_s)
    return np.interp(np.arange(song.num_samples), places, song.random.standard_normal(len(places)))


# Mixing.


def _place(line: NDArray, sound: NDArray, start: int) -> None:
    """Add a sound to a line at a sample, as far as the line reaches."""
    fitting = sound[: max(len(line) - start, 0)]
    line[start : start + len(fitting)] += fitting


def _smooth(values: NDArray, length: float) -> NDArray:
    """Values through a one-pole filter of a time constant in samples, starting at the first value."""
    pole = np.exp(-1 / length)
    return signal.lfilter([1 - pole], [1, -pole], values, zi=[pole * values[0]])[0]


def _level(samples: NDArray, rms: float) -> NDArray:
    return samples * (rms / max(np.sqrt(np.mean(samples**2)), 1e-9))


def _add_room(song: _Song, samples: NDArray) -> NDArray:
    """Samples with a little reverberation, different in each channel: noise that decays within half a second."""
    time = np.arange(song.sample_rate // 2) / song.sample_rate
    tail = np.exp(-time / song.random.uniform(0.05, 0.15))
    echoes = song.random.standard_normal((len(samples), len(time))) * tail
    wet = signal.oaconvolve(samples, echoes / np.sqrt(np.sum(tail**2)), axes=1)[:, : song.num_samples]
    return samples + song.random.uniform(0.1, 0.3) * wet


def _master(song: _Song, samples: NDArray) -> NDArray:
    """A level of -21 to -15 dB of full scale, peaks rounded off at 0.8, and the ends faded."""
    level = 10 ** (song.random.uniform(-21, -15) / 20)
    limited = 0.8 * np.tanh(_level(samples, level) / 0.8)
    place = np.arange(song.num_samples) / song.sample_rate
    return limited * np.minimum(1, np.minimum(place / 0.02, place[::-1] / 0.2))


# The archive.


def _holds(folder: Path, parameters: dict[str, int | float]) -> bool:
    """Whether an archive of these parameters was begun here; False where there is nothing.

    Raises:
        UsageError: there is something else.
    """
    path = folder / PARAMETERS
    if path.exists():
        if (found := json.loads(path.read_text())) != parameters:
            raise UsageError(f"{folder}: holds a synthetic archive of {found}, not {parameters}; give another folder")
        return True
    if (folder / "fma_music").exists() or (folder / "fma_metadata").exists():
        raise UsageError(f"{folder}: holds an archive that is not synthetic; give another folder")
    return False


def _synthesise_number(number: int, duration_s: float, seed: int, sample_rate: int) -> tuple[NDArray, int]:
    """The samples and rate of the track of this number, whatever the size of the archive."""
    rate = ANOTHER_RATE.get(number % 7, sample_rate)
    samples = synthesise(
        _genre(number),
        duration_s=duration_s,
        sample_rate=rate,
        num_channels=1 if number % 7 in MONO else 2,
        random=np.random.default_rng([seed, number]),
    )
    return samples, rate


def _genre(number: int) -> str:
    return list(GENRES)[number % len(GENRES)]


def _split(number: int, num_tracks: int) -> str:
    """A genre's last tracks test, those before them validate."""
    rank = number // len(GENRES)
    count = len(range(number % len(GENRES), num_tracks, len(GENRES)))  # of this genre
    held_out = max(1, round(HELD_OUT_SHARE * count))
    return "test" if rank >= count - held_out else "validation" if rank >= count - 2 * held_out else "training"


def _track_id(number: int) -> int:
    return ID_STEP * (number + 1)


def _mp3_path(folder: Path, number: int) -> Path:
    name = f"{_track_id(number):06d}"
    return folder / "fma_music" / name[:3] / f"{name}.mp3"


def _encode_mp3(samples: NDArray, sample_rate: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T.astype(np.float32), sample_rate, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue()


def _tracks_csv(num_tracks: int, duration_s: float) -> str:
    """FMA's list: two header rows, a third that names the index, a row a track.

    Test tracks are of the subset medium, the others of small, so that the reference's protocol finds the same splits
    (but for the genres that it draws from).
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["", "artist", "set", "set", "track", "track", "track", "track"])
    writer.writerow(["", "name", "split", "subset", "duration", "genre_top", "license", "title"])
    writer.writerow(["track_id", *[""] * 7])
    for number in range(num_tracks):
        genre, split = _genre(number), _split(number, num_tracks)
        subset = "medium" if split == "test" else "small"
        title = f"{genre} No. {number // len(GENRES) + 1}"
        row = ["inpaint_ray", split, subset, round(duration_s), genre, "CC0-1.0", title]
        writer.writerow([_track_id(number), *row])
    return text.getvalue()
