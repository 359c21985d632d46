"""Consistent declipping: sparse time-frequency coefficients, and no sample below its clip level.

Social sparsity (Siedenburg, Kowalski and Doerfler, 2014): coefficients of a tight Gabor frame are shrunk by the energy
of their neighbourhoods (persistent empirical Wiener), while what they synthesise is drawn to the known samples, and
where a sample was clipped to anything at or beyond its clip level. The threshold falls in steps, and iterations have
momentum.

Shapes: n = samples, T = frames, F = bins.
"""

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from inpaint_ray.audio.runs import find_runs

Signal = NDArray[np.float64]

FRAME_S = 0.093  # 4096 samples at 44.1 kHz
OVERLAP = 4
THRESHOLDS = (0.2, 1e-3)  # the first and the last, of a window with peak 1
NUM_STEPS = 12
ITERATIONS = 8  # of each step
MOMENTUM = 0.9
NEIGHBOURS = (3, 5)  # frames and bins whose energy decides
STRETCH_S = 3.0  # at the most that is solved at a time: memory and time are bounded
CONTEXT_S = 0.15


def declip(samples: NDArray, clipped: NDArray[np.bool_], sample_rate: int) -> NDArray:
    """Restore clipped samples; every other one is the input's, bit for bit.

    Args:
        samples: (n,) or (c, n) float, finite; clipped samples stand at their clip level.
        clipped: of the same shape.
        sample_rate: Hz.

    Returns:
        The shape and dtype of samples; restored ones have their sign and at least their magnitude.
    """
    restored = samples.copy()
    for channel, chosen in zip(np.atleast_2d(restored), np.atleast_2d(clipped), strict=True):
        for start, stop in _stretches(chosen, sample_rate):
            inside = slice(start, stop)
            values = _solve(channel[inside].astype(np.float64), chosen[inside], sample_rate)
            channel[inside][chosen[inside]] = values[chosen[inside]]
    return restored


def _stretches(clipped: NDArray[np.bool_], rate: int) -> list[tuple[int, int]]:
    """Return the stretches around clipped samples, in order; each is solved with the ones before it restored."""
    context, longest = round(CONTEXT_S * rate), round(STRETCH_S * rate)
    starts, stops = find_runs(clipped)
    spans: list[tuple[int, int]] = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        if spans and start - spans[-1][1] < context and stop - spans[-1][0] <= longest:
            spans[-1] = (spans[-1][0], stop)
        else:
            spans.append((start, stop))
    return [(max(start - context, 0), min(stop + context, len(clipped))) for start, stop in spans]


def _solve(sound: Signal, clipped: NDArray[np.bool_], rate: int) -> Signal:
    """Solve one stretch, (n,), with clipped samples at or beyond their level."""
    peak = np.abs(sound).max()
    if peak == 0:
        return sound
    frame = max(OVERLAP * 2 * round(FRAME_S * rate / (OVERLAP * 2)), 16 * OVERLAP)
    hop = frame // OVERLAP
    padded = np.pad(sound / peak, (frame, frame + (-len(sound)) % hop))
    reliable = np.pad(~clipped, (frame, len(padded) - frame - len(sound)), constant_values=True)
    sign = np.sign(padded)
    window = np.sqrt(2 / 3 / OVERLAP * 4) * np.hanning(frame + 1)[:frame] / np.sqrt(frame)
    coefficients = _analyse(padded, window, hop)
    before = coefficients
    for threshold in np.geomspace(*THRESHOLDS, NUM_STEPS):
        for _ in range(ITERATIONS):
            ahead = coefficients + MOMENTUM * (coefficients - before)
            missing = padded - _synthesise(ahead, window, hop, len(padded))
            wanted = np.where(reliable, missing, sign * np.maximum(sign * missing, 0))
            before, coefficients = coefficients, _shrink(ahead + _analyse(wanted, window, hop), threshold)
    restored = _synthesise(coefficients, window, hop, len(padded))[frame : frame + len(sound)] * peak
    beyond = np.sign(sound) * np.maximum(np.sign(sound) * restored, np.abs(sound))
    return np.where(clipped, beyond, sound)


def _analyse(sound: Signal, window: Signal, hop: int) -> NDArray[np.complex128]:
    """Analyse by a tight frame, whose adjoint, the synthesis, is its inverse: (n,) -> (T, F)."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, len(window))[::hop]
    return scipy.fft.rfft(frames * window, axis=1)


def _synthesise(coefficients: NDArray[np.complex128], window: Signal, hop: int, num_samples: int) -> Signal:
    frames = scipy.fft.irfft(coefficients, len(window), axis=1) * (window * len(window))
    sound = np.zeros(num_samples)
    parts = frames.reshape(len(frames), OVERLAP, hop)
    rows = sound[: (len(frames) + OVERLAP - 1) * hop].reshape(-1, hop)
    for number in range(OVERLAP):
        rows[number : number + len(frames)] += parts[:, number]
    return sound


def _shrink(coefficients: NDArray[np.complex128], threshold: float) -> NDArray[np.complex128]:
    power = coefficients.real**2 + coefficients.imag**2
    energy = scipy.ndimage.uniform_filter(power, NEIGHBOURS, mode="nearest")
    return coefficients * np.maximum(1 - threshold**2 / np.maximum(energy, 1e-30), 0)
