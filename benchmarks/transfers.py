"""Simulated transfers of real music for benchmarks.merge. Shapes: c = channels, n = samples."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.signal import resample_poly, sosfilt

from benchmarks.long_gaps import half_of
from inpaint_ray.audio.decode import decode
from inpaint_ray.errors import AudioDecodeError

SECONDS = 24.0
FIRST_S = 8.0  # of a recording that is passed over
SIZE = 2048  # samples of a frame of the phase vocoder
OVERSAMPLING = 4  # before cubic interpolation: errors 70 dB down below half of the Nyquist frequency

Signal = NDArray[np.float64]
ToCopy = Callable[[Signal], Signal]  # samples of the recording -> samples of the copy, not a number where it has none


@dataclass(frozen=True)
class Transfer:
    """A simulated transfer."""

    samples: Signal  # (c, n)
    sample_rate: int
    to_copy: ToCopy


Make = Callable[[Signal, int, np.random.Generator], Transfer]  # (c, n) and rate


def list_recordings(folders: list[Path], half: str, limit: int) -> Iterator[tuple[str, Signal, int]]:
    """Name, samples (c, n) of 24 s rounded to 24 bits, and rate of stereo recordings of a half, at most so many."""
    named = {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": path for folder in folders for path in _files(folder)
    }
    chosen = sorted((name for name in named if half_of(name) == half), key=lambda name: half_of_order(name))
    for name in chosen:
        if limit == 0:
            return
        try:
            samples, rate = decode(named[name].read_bytes(), longest_s=FIRST_S + SECONDS)
        except AudioDecodeError:
            continue  # a list or a text beside the music
        first, count = round(FIRST_S * rate), round(SECONDS * rate)
        part = samples[:, first : first + count].astype(np.float64)
        if rate < 44_100 or part.shape != (2, count) or np.sqrt(np.mean(part**2)) < 0.01:
            continue
        limit -= 1
        yield name, rounded(0.9 * part / max(1.0, np.abs(part).max()), 24), rate


def half_of_order(name: str) -> str:
    """A key that mixes folders."""
    return hashlib.sha256(f"order {name}".encode()).hexdigest()


def rounded(samples: Signal, bits: int) -> Signal:
    """Samples in steps of so many bits."""
    top = 2.0 ** (bits - 1)
    return np.asarray(np.clip(np.rint(samples * top), -top, top - 1) / top)


def conditions(rate: int) -> dict[str, Make]:
    """Every condition, by its name: what makes a transfer of a recording of this rate."""
    other = 48_000 if rate != 48_000 else 44_100
    made: dict[str, Make] = {
        "digital copy, other start": lambda clean, rate, random: _late(clean, rounded(clean, 16), random, rate),
        "24 bits against 16": lambda clean, rate, random: _late(clean, clean, random, rate),
        "noise -55 dB, equalised": lambda clean, rate, random: _late(
            clean, _worn(clean, rate, random, -55), random, rate
        ),
        "MP3 of it": lambda clean, rate, _: _mp3(clean, rate),
        "mono of stereo": lambda clean, rate, random: _late(clean, clean.mean(axis=0, keepdims=True), random, rate),
        f"{other / 1000:g} kHz against {rate / 1000:g}": lambda clean, rate, _: _at_rate(clean, rate, other),
    }
    for speed, wow in ((0.002, 0.0), (-0.01, 0.0), (0.02, 0.0), (0.004, 0.001), (0.004, 0.002)):
        name = f"speed {100 * speed:+g} %" + (f", wow {100 * wow:g} %" if wow else "")
        made[name] = partial(_played, speed=speed, wow=wow)
    made["tape: speed, wow, flutter, noise -50 dB, equalised"] = partial(
        _played, speed=-0.006, wow=0.0005, flutter=0.0002, noise_db=-50.0, equalise=True
    )
    made["5 s missing, 0.3 % faster"] = lambda clean, rate, _: _cut(play(clean, rate, speed=0.003), rate)
    made["7 s of another leader, 6 s missing, noise -60 dB"] = _other_leader
    return made


def play(clean: Signal, rate: int, *, speed: float, wow: float = 0.0, flutter: float = 0.0) -> Transfer:
    """Play at another speed, with wow of 0.55 Hz and flutter of 6 Hz, by interpolation of its own (cubic)."""
    place = np.arange(round(clean.shape[1] / (1 + speed)), dtype=np.float64)
    position = place * (1 + speed)
    for depth, frequency in ((wow, 0.55), (flutter, 6.0)):
        swing = 2 * np.pi * frequency / rate
        position = position + depth / swing * np.sin(swing * place)
    dense = resample_poly(clean, OVERSAMPLING, 1, axis=1)
    samples = np.stack([map_coordinates(each, [position * OVERSAMPLING], order=3, mode="nearest") for each in dense])
    return Transfer(samples, rate, lambda moments: np.interp(moments, position, place))


def other_key(clean: Signal, semitones: int) -> Signal:
    """The same in another key, as long as before: a phase vocoder's, sampled anew (within 0.01 % of the key)."""
    ratio = Fraction(2 ** (semitones / 12)).limit_denominator(100)
    return np.asarray(resample_poly(_stretched(clean, 1 / float(ratio)), ratio.denominator, ratio.numerator, axis=1))


def other_take(clean: Signal, rate: int, random: np.random.Generator) -> Signal:
    """The same in the same key in another tempo, which changes every 2 s by up to 3 %: a phase vocoder's.

    It is nearer to the recording than any real take: each 2 s begin with its very waveform.
    """
    parts = (clean[:, first : first + 2 * rate] for first in range(0, clean.shape[1], 2 * rate))
    tempos = ((part, 1 + float(random.uniform(-0.03, 0.03))) for part in parts)
    return np.concatenate([_stretched(part, tempo) for part, tempo in tempos if part.shape[1] > 2 * SIZE], axis=1)


def _stretched(clean: Signal, tempo: float) -> Signal:
    """A recording at another tempo in its own key."""
    window = torch.hann_window(SIZE)
    sound = torch.from_numpy(clean.astype(np.float32))
    spectrum = torch.stft(sound, SIZE, SIZE // 4, window=window, return_complex=True)
    advance = torch.linspace(0, np.pi * SIZE / 4, spectrum.shape[1])[:, None]
    played = torchaudio.functional.phase_vocoder(spectrum, tempo, advance)
    return np.asarray(torch.istft(played, SIZE, SIZE // 4, window=window).numpy(), np.float64)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in (".csv", ".txt", ".md")]


def _late(clean: Signal, copy: Signal, random: np.random.Generator, rate: int) -> Transfer:
    """A copy that begins up to a second later."""
    late = int(random.integers(rate // 2, rate))
    return Transfer(copy[:, late:], rate, lambda at: np.where(at < late, np.nan, at - late))


def _at_rate(clean: Signal, rate: int, other: int) -> Transfer:
    common = int(np.gcd(rate, other))
    return Transfer(resample_poly(clean, other // common, rate // common, axis=1), other, lambda at: at * other / rate)


def _played(
    clean: Signal,
    rate: int,
    random: np.random.Generator,
    *,
    speed: float,
    wow: float = 0.0,
    flutter: float = 0.0,
    noise_db: float = -60.0,
    equalise: bool = False,
) -> Transfer:
    played = play(clean, rate, speed=speed, wow=wow, flutter=flutter)
    return replace(played, samples=_worn(played.samples, rate, random, noise_db, equalise=equalise))


def _worn(samples: Signal, rate: int, random: np.random.Generator, noise_db: float, *, equalise: bool = True) -> Signal:
    """Noise at a level below the music, and shelves of about 3 dB in the bass and 4 dB in the treble."""
    level = np.sqrt(np.mean(samples**2)) * 10 ** (noise_db / 20)
    if equalise:
        sections = np.array([_shelf(150, 3.0, rate), _shelf(5_000, -4.0, rate)])
        samples = 0.6 * sosfilt(sections, samples, axis=1)
        level *= 0.6
    return np.asarray(samples + level * random.standard_normal(samples.shape))


def _shelf(corner_hz: float, gain_db: float, rate: int) -> list[float]:
    """A shelf of the first order: this gain below the corner, none above; as a section."""
    gain, turn = 10 ** (gain_db / 20), np.tan(np.pi * corner_hz / rate)
    return [(1 + gain * turn) / (1 + turn), (gain * turn - 1) / (1 + turn), 0.0, 1.0, (turn - 1) / (1 + turn), 0.0]


def _mp3(clean: Signal, rate: int) -> Transfer:
    """An MP3 as libsndfile makes it, decoded; its delay is measured once, by correlation."""
    buffer = io.BytesIO()
    soundfile.write(buffer, clean.T, rate, format="MP3")
    samples, _ = decode(buffer.getvalue())
    mono, other = clean[0, rate : 9 * rate], samples[0].astype(np.float64)[: 10 * rate]
    size = 2 ** int(np.ceil(np.log2(2 * len(other))))
    crossed = np.fft.irfft(np.fft.rfft(other, size) * np.fft.rfft(mono, size).conj())
    delay = int(np.argmax(crossed[: len(other)])) - rate
    return Transfer(samples.astype(np.float64), rate, lambda at: at + delay)


def _cut(played: Transfer, rate: int) -> Transfer:
    """Take 5 s out of the middle."""
    first, length = 10 * rate, 5 * rate
    samples = np.concatenate([played.samples[:, :first], played.samples[:, first + length :]], axis=1)

    def to_copy(at: Signal) -> Signal:
        place = played.to_copy(at)
        return np.where(place < first, place, np.where(place < first + length, np.nan, place - length))

    return Transfer(samples, rate, to_copy)


def _other_leader(clean: Signal, rate: int, random: np.random.Generator) -> Transfer:
    """A copy that begins with 7 s of noise, has none of the first second, and lacks 6 s from 13 s on."""
    lead, first, begin, end = 7 * rate, rate, 13 * rate, 19 * rate
    level = np.sqrt(np.mean(clean**2))
    leader = 0.3 * level * random.standard_normal((len(clean), lead))
    samples = np.concatenate([leader, clean[:, first:begin], clean[:, end:]], axis=1)

    def to_copy(at: Signal) -> Signal:
        moved = np.where(at < begin, at - first + lead, at - first + lead - (end - begin))
        return np.where((at < first) | ((at >= begin) & (at < end)), np.nan, moved)

    return Transfer(_worn(samples, rate, random, -60, equalise=False), rate, to_copy)
