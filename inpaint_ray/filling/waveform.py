"""A damaged waveform -> the same waveform with its gaps filled, by the method that suits their length.

Only neighbourhoods of gaps are computed, and only lost samples are replaced.

Shapes: n = samples, T = frames, F = bins.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaint_ray.audio.runs import find_runs
from inpaint_ray.audio.stft import Grid, spectrogram
from inpaint_ray.filling.autoregressive import fill_gaps
from inpaint_ray.filling.channels import fill_from_others, known_elsewhere
from inpaint_ray.filling.griffin_lim import griffin_lim

Method = Literal["auto", "autoregressive", "model", "griffin_lim", "linear", "silence"]
METHODS: tuple[Method, ...] = get_args(Method)
NEEDS_MODEL: tuple[Method, ...] = ("model", "griffin_lim")

LONGEST_AUTOREGRESSIVE_S = 0.2  # `auto` gives longer gaps to the model: see the table in README.md
MAX_GAP_S = 1.0
CONTEXT_FRAMES = 64  # either side of a gap, 0.256 s: with a short gap, about one patch
MAX_WINDOW_FRAMES = 512  # neighbouring gaps share a window up to this length
NUM_ITERATIONS = 100
MOMENTUM = 0.99
JOIN_S = 0.002  # cross-fade inside the gap

RestoreMagnitudes = Callable[[Tensor, Tensor], Tensor]  # (B, T, F) float32, (B, T) bool -> (B, T, F)


@dataclass(frozen=True)
class _Window:
    """Neighbouring gaps and the stretch of one channel around them."""

    gaps: list[tuple[int, int]]  # start and stop of each, in samples of the channel
    start: int
    stop: int


def fill(
    samples: NDArray,
    sample_rate: int,
    lost: NDArray[np.bool_],
    *,
    method: Method = "auto",
    restore_magnitudes: RestoreMagnitudes | None = None,
    max_gap_s: float = MAX_GAP_S,
) -> NDArray:
    """The samples with their gaps filled; every sample that is not lost is the input's, bit for bit.

    Methods:
        auto: autoregressive up to 200 ms; longer gaps by the model where one is given, else autoregressive. Where
            another channel is known throughout a gap, autoregressive at every length.
        autoregressive: Janssen's interpolation from both sides; what another channel that is known throughout a gap
            has in common with this one is taken from there.
        model: magnitudes from the network, phase from the autoregressive fill, refined by fast Griffin-Lim in which
            known samples stay fixed.
        griffin_lim: magnitudes from the network, phase by blind Griffin-Lim from zero: the reference's synthesis.
        linear: a straight line between the neighbours, a baseline.
        silence: zeros, a baseline.

    Args:
        samples: (n,) or (channels, n) float32 or float64; what stands in lost samples is not looked at.
        sample_rate: Hz.
        lost: (n,) or (channels, n); (n,) holds for every channel.
        method: one of METHODS.
        restore_magnitudes: fills lost frames of linear magnitudes on the grid of the sample rate:
            (B, T, F) float32, lost (B, T) bool -> (B, T, F). A frame that touches a lost sample is lost.
        max_gap_s: gaps longer than this are left as silence by every method, with a fade of 10 ms at either end by
            those that predict.

    Returns:
        The shape and dtype of samples, finite.

    Raises:
        ValueError: a wrong shape or dtype, an unknown method, a method without its model, known samples that are not
            finite, or a model that gives something that is not finite.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method in NEEDS_MODEL and restore_magnitudes is None:
        raise ValueError(f"method {method!r} needs restore_magnitudes, which fills lost frames of magnitudes")
    if not max_gap_s >= 0:
        raise ValueError(f"max_gap_s must not be negative, got {max_gap_s}")
    grid = Grid(sample_rate)
    lost = _checked_lost(samples, lost)
    filled = samples.copy()
    for channel, missing in zip(np.atleast_2d(filled), np.atleast_2d(lost), strict=True):
        if missing.any():
            known = np.where(missing, 0.0, channel).astype(np.float64)
            values = _fill_channel(known, grid, missing, method, restore_magnitudes, max_gap_s)
            channel[missing] = values[missing]
    if method in ("auto", "autoregressive") and samples.ndim == 2:
        _fill_from_others(filled, lost, sample_rate, max_gap_s)
    return filled


def _fill_from_others(filled: NDArray, lost: NDArray[np.bool_], sample_rate: int, max_gap_s: float) -> None:
    """Fill again, in place, the gaps throughout which another channel is known."""
    chosen = known_elsewhere(lost, sample_rate)
    for channel in chosen:
        for start, stop in zip(*find_runs(channel), strict=True):
            channel[start:stop] = stop - start <= max_gap_s * sample_rate
    fill_from_others(filled, lost, chosen, sample_rate, lambda window, gap: fill_gaps(window, gap, sample_rate))


def _checked_lost(samples: NDArray, lost: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`lost` in the shape of samples, after every check of the arguments."""
    if samples.dtype not in (np.float32, np.float64):
        raise ValueError(f"samples must be float32 or float64, got {samples.dtype}")
    if samples.ndim not in (1, 2):
        raise ValueError(f"samples must be (n,) or (channels, n), got shape {samples.shape}")
    if lost.dtype != np.bool_:
        raise ValueError(f"lost must be bool, True where a sample is missing, got {lost.dtype}")
    if lost.shape not in (samples.shape, samples.shape[-1:]):
        raise ValueError(f"lost must be {samples.shape[-1:]} or {samples.shape} like samples, got {lost.shape}")
    lost = np.broadcast_to(lost, samples.shape)
    if not np.isfinite(samples[~lost]).all():
        raise ValueError("samples that are not lost must be finite; mark NaN and infinite ones as lost")
    return lost


def _fill_channel(
    known: NDArray[np.float64],
    grid: Grid,
    lost: NDArray[np.bool_],
    method: Method,
    restore_magnitudes: RestoreMagnitudes | None,
    max_gap_s: float,
) -> NDArray[np.float64]:
    """One channel, (n,), whose lost samples are zero."""
    if method == "silence":
        return known
    if method == "linear":
        return _draw_lines(known, lost, max_gap_s * grid.sample_rate)
    filled = fill_gaps(known, lost, grid.sample_rate, max_gap_s=max_gap_s)
    if method == "autoregressive" or restore_magnitudes is None:
        return filled
    shortest = LONGEST_AUTOREGRESSIVE_S if method == "auto" else 0.0
    starts, stops = find_runs(lost)
    chosen = (stops - starts > shortest * grid.sample_rate) & (stops - starts <= max_gap_s * grid.sample_rate)
    gaps = list(zip(starts[chosen].tolist(), stops[chosen].tolist(), strict=True))
    refined = filled.copy()
    for window in _windows(gaps, grid, len(known)):
        inside = slice(window.start, window.stop)
        values = _synthesise(filled[inside], lost[inside], grid, restore_magnitudes, blind=method == "griffin_lim")
        for start, stop in window.gaps:
            weight = _join(stop - start, grid.sample_rate)
            new = values[start - window.start : stop - window.start]
            refined[start:stop] += weight * (new - filled[start:stop])
    return refined


def _synthesise(
    filled: NDArray[np.float64],
    lost: NDArray[np.bool_],
    grid: Grid,
    restore_magnitudes: RestoreMagnitudes,
    *,
    blind: bool,
) -> NDArray[np.float64]:
    """One window, (n,), from the network's magnitudes; its phase starts from zero or from the autoregressive fill."""
    signal = torch.from_numpy(filled.astype(np.float32))
    missing = torch.from_numpy(lost.copy())
    frames = lost_frames(missing, grid)
    magnitudes = spectrogram(torch.where(missing, 0.0, signal), grid)
    restored = restore_magnitudes(magnitudes.unsqueeze(0), frames.unsqueeze(0))[0].to(magnitudes)
    if not torch.isfinite(restored).all():
        raise ValueError("restore_magnitudes gave magnitudes that are not finite")
    restored = torch.where(frames.unsqueeze(-1), restored.clamp(min=0), magnitudes)
    if blind:
        result = griffin_lim(restored, grid, len(signal), num_iterations=NUM_ITERATIONS)
    else:
        result = griffin_lim(
            restored,
            grid,
            len(signal),
            num_iterations=NUM_ITERATIONS,
            momentum=MOMENTUM,
            start=signal,
            lost=missing,
        )
    return result.numpy().astype(np.float64)


def lost_frames(lost: Tensor, grid: Grid) -> Tensor:
    """Frames that touch a lost sample: (..., n) bool -> (..., T) bool."""
    num_samples = lost.shape[-1]
    count = torch.nn.functional.pad(lost.long().cumsum(-1), (1, 0))
    first = torch.arange(grid.num_frames(num_samples), device=lost.device) * grid.hop
    last = (first + grid.fft_length).clamp(max=num_samples)
    return count[..., last] > count[..., first]


def _windows(gaps: list[tuple[int, int]], grid: Grid, num_samples: int) -> Iterator[_Window]:
    """Gaps with their context; gaps whose contexts overlap share a window up to a largest length."""
    context, longest = CONTEXT_FRAMES * grid.hop, MAX_WINDOW_FRAMES * grid.hop
    joined: list[tuple[int, int]] = []
    for gap in [*gaps, None]:
        fits = bool(joined) and gap is not None and gap[0] - joined[-1][1] < 2 * context
        if joined and not (fits and gap is not None and gap[1] - joined[0][0] + 2 * context <= longest):
            stop = min(joined[-1][1] + context, num_samples)
            yield _Window(gaps=joined, start=max(joined[0][0] - context, 0), stop=stop)
            joined = []
        if gap is not None:
            joined = [*joined, gap]


def _join(num_samples: int, sample_rate: int) -> NDArray[np.float64]:
    """Weight of the new values over a gap: from 0 at its borders to 1 within 2 ms, (num_samples,)."""
    length = min(max(round(JOIN_S * sample_rate), 1), (num_samples + 1) // 2)
    place = np.arange(num_samples)
    distance = np.minimum(place, num_samples - 1 - place) + 0.5
    return np.sin(np.pi / 2 * np.minimum(distance / length, 1.0)) ** 2


def _draw_lines(known: NDArray[np.float64], lost: NDArray[np.bool_], max_gap: float) -> NDArray[np.float64]:
    """Straight lines between the neighbours of each gap; the one neighbour is held at the ends of the signal."""
    filled = known.copy()
    for start, stop in zip(*find_runs(lost), strict=True):
        left, right = start - 1, stop
        if stop - start > max_gap or (left < 0 and right >= len(known)):
            continue
        before = known[left] if left >= 0 else known[right]
        after = known[right] if right < len(known) else before
        filled[start:stop] = np.linspace(before, after, stop - start + 2)[1:-1]
    return filled
