"""Single instruments, synthesised from a seed, for benchmarks on machines without music.

None is exactly what a linear model assumes: strings beat, bows and breath make noise, vibrato bends every partial.

Shapes: n = samples, k = partials.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

NOTE_S = 0.7  # a phrase plays one every so often, and each rings on over the next ones
ROOM_DB = -50.0  # noise of the recording, below the RMS level
RESONANCES = ((700.0, 110.0), (1220.0, 120.0), (2600.0, 160.0))  # Hz and bandwidth of the vowel a

Signal = NDArray[np.float64]


def play(instrument: str, seconds: float, sample_rate: int, seed: int) -> Signal:
    """Play a phrase of random notes on one of INSTRUMENTS, (n,), with a peak of 0.5."""
    random = np.random.default_rng([seed, sorted(INSTRUMENTS).index(instrument)])
    phrase = np.zeros(round(seconds * sample_rate))
    for start in np.arange(0, seconds - 0.1, NOTE_S):
        first = round(start * sample_rate)
        midi = random.integers(50, 77)
        note = INSTRUMENTS[instrument](440 * 2 ** ((midi - 69) / 12), len(phrase) - first, sample_rate, random)
        phrase[first:] += note / np.abs(note).max()
    phrase += 10 ** (ROOM_DB / 20) * phrase.std() * random.standard_normal(len(phrase))
    return 0.5 * phrase / np.abs(phrase).max()


def _pluck(hz: float, num_samples: int, sample_rate: int, random: np.random.Generator) -> Signal:
    """A plucked string (Karplus and Strong, 1983), its period tuned by an allpass."""
    period = sample_rate / hz - 0.5
    delay = int(period - 0.1)
    tuning = (1 - (period - delay)) / (1 + (period - delay))
    burst = np.zeros(num_samples)
    burst[:delay] = random.uniform(-1, 1, len(burst[:delay]))
    # y(n) = x(n) + g lowpass(allpass(y(n - delay))), written as one filter
    loop = 0.996 * np.convolve([0.5, 0.5], [tuning, 1.0])
    denominator = np.zeros(delay + 3)
    denominator[:2] = [1.0, tuning]
    denominator[delay:] -= loop
    return lfilter([1.0, tuning], denominator, burst)


def _piano(hz: float, num_samples: int, sample_rate: int, random: np.random.Generator) -> Signal:
    """Stiff strings in threes, slightly out of tune, struck by a hammer."""
    time = np.arange(num_samples) / sample_rate
    tone = np.zeros(num_samples)
    for k in range(1, 25):
        partial = k * hz * np.sqrt(1 + 4e-4 * k**2)
        for detuned in random.normal(1, 2.5e-4, 3):
            if partial < 0.45 * sample_rate:
                decay = np.exp(-time * (0.8 + 0.25 * k) * random.uniform(0.5, 1.5))
                phase = 2 * np.pi * (partial * detuned * time + random.random())
                tone += k**-1.2 * decay * np.sin(phase)
    knock = lfilter([1.0], [1.0, -0.9], random.standard_normal(num_samples)) * np.exp(-time / 0.01)
    return tone + 0.1 * knock * _attack(time, 0.002)


def _bell(hz: float, num_samples: int, sample_rate: int, random: np.random.Generator) -> Signal:
    """The partials of a church bell; each is a pair that beats."""
    time = np.arange(num_samples) / sample_rate
    tone = np.zeros(num_samples)
    for number, ratio in enumerate((0.5, 1.0, 1.183, 1.506, 2.0, 2.514, 2.662, 3.011, 4.166, 5.433, 6.796, 8.215)):
        for split in (1.0, 1.0 + random.uniform(2e-4, 2e-3)):
            phase = 2 * np.pi * (hz * ratio * split * time + random.random())
            tone += np.exp(-time * (0.7 + 0.6 * number)) * np.sin(phase) / (1 + number) ** 0.5
    return tone * _attack(time, 0.001)


def _flute(hz: float, num_samples: int, sample_rate: int, random: np.random.Generator) -> Signal:
    """Few harmonics, slow vibrato of pitch and loudness, breath."""
    time = np.arange(num_samples) / sample_rate
    sway = np.sin(2 * np.pi * (5.2 * time + random.random()))
    levels = [1.0, 0.5, 0.25, 0.08, 0.05, 0.02]
    tone = _harmonics(hz * (1 + 0.003 * sway), levels, sample_rate, random) * (1 + 0.15 * sway)
    breath = lfilter([1.0, 0.0, -1.0], [1.0, -1.6, 0.8], random.standard_normal(num_samples))
    return (tone + 0.03 * breath) * _held(time, 0.04)


def _violin(hz: float, num_samples: int, sample_rate: int, random: np.random.Generator) -> Signal:
    """Many harmonics with vibrato, a pitch that wanders, the noise of the bow."""
    time = np.arange(num_samples) / sample_rate
    vibrato = 0.008 * np.sin(2 * np.pi * (5.8 * time + random.random()))
    pitch = hz * (1 + vibrato + _wander(num_samples, 2e-3, sample_rate, random))
    levels = [random.uniform(0.4, 1.0) / k for k in range(1, 40)]
    noise = lfilter([1.0], [1.0, -0.7], random.standard_normal(num_samples))
    return (_harmonics(pitch, levels, sample_rate, random) + 0.05 * noise) * _held(time, 0.06)


def _voice(hz: float, num_samples: int, sample_rate: int, random: np.random.Generator) -> Signal:
    """A sung vowel: harmonics and breath through the resonances of the mouth."""
    time = np.arange(num_samples) / sample_rate
    pitch = hz / 2 * (1 + 0.006 * np.sin(2 * np.pi * 5.5 * time) + _wander(num_samples, 3e-3, sample_rate, random))
    source = _harmonics(pitch, [k**-1.0 for k in range(1, 60)], sample_rate, random)
    source += 0.1 * random.standard_normal(num_samples)
    for resonance, width in RESONANCES:
        radius = np.exp(-np.pi * width / sample_rate)
        source = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * resonance / sample_rate), radius**2], source)
    return source * _held(time, 0.05)


def _harmonics(pitch: Signal, levels: list[float], sample_rate: int, random: np.random.Generator) -> Signal:
    """Harmonics of a changing pitch in Hz, (n,), those that stay below half the rate."""
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    tone = np.zeros(len(pitch))
    for k, level in enumerate(levels, start=1):
        if k * pitch.max() < 0.45 * sample_rate:
            loudness = 1 + _wander(len(pitch), 0.1, sample_rate, random)
            tone += level * loudness * np.sin(k * phase + 2 * np.pi * random.random())
    return tone


def _wander(num_samples: int, share: float, sample_rate: int, random: np.random.Generator) -> Signal:
    """Slow random changes with this standard deviation, (n,)."""
    slow = lfilter([1.0], [1.0, -np.exp(-2 * np.pi * 10 / sample_rate)], random.standard_normal(num_samples))
    return share * slow / slow.std()


def _attack(time: Signal, rise_s: float) -> Signal:
    return 1 - np.exp(-time / rise_s)


def _held(time: Signal, rise_s: float) -> Signal:
    """The loudness of a note that is held until the next one begins."""
    return _attack(time, rise_s) / (1 + np.exp((time - NOTE_S) / 0.03))


INSTRUMENTS = {
    "bell": _bell,
    "flute": _flute,
    "piano": _piano,
    "pluck": _pluck,
    "violin": _violin,
    "voice": _voice,
}
