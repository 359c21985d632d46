"""Filling of the gaps of a waveform, each by the method that suits its length.

Only neighbourhoods of gaps are computed, and only lost samples are replaced.

Shapes: n = samples, T = frames, F = bins.
"""

from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.runs import Gap, find_runs
from inpaint_ray.filling.auto import Known, Sources, mix, retrieve
from inpaint_ray.filling.autoregressive import fill_gaps
from inpaint_ray.filling.channels import fill_from_others, known_elsewhere
from inpaint_ray.filling.choice import MAX_FOUND_S, MAX_GAP_S
from inpaint_ray.filling.methods import METHODS, NEEDS_MODEL, Effort, Method, RestoreMagnitudes
from inpaint_ray.filling.mixture import join_weight
from inpaint_ray.filling.stacking import fill_stacked

__all__ = [
    "METHODS",
    "NEEDS_MODEL",
    "Effort",
    "Fill",
    "Method",
    "RestoreMagnitudes",
    "Sources",
    "fill",
    "fill_with_notes",
]


@dataclass(frozen=True)
class Fill:
    """A note on a filled gap."""

    channel: int
    start: int
    stop: int
    method: str  # of the fill, parts joined by +
    expected_snr_db: float  # nan where nothing tells
    known: Known | None = None  # evidence for the expected SNR


class Options(TypedDict, total=False):
    """The options of `fill_with_notes`, which explains them."""

    method: Method
    effort: Effort
    restore_magnitudes: RestoreMagnitudes | None
    max_gap_s: float
    max_found_s: float | None
    sources: Sources | None


def fill(samples: NDArray, sample_rate: int, lost: NDArray[np.bool_], **options: Unpack[Options]) -> NDArray:
    """Fill gaps as `fill_with_notes` does, without the notes."""
    return fill_with_notes(samples, sample_rate, lost, **options)[0]


def fill_with_notes(
    samples: NDArray,
    sample_rate: int,
    lost: NDArray[np.bool_],
    *,
    method: Method = "auto",
    effort: Effort = "normal",
    restore_magnitudes: RestoreMagnitudes | None = None,
    max_gap_s: float = MAX_GAP_S,
    max_found_s: float | None = None,
    sources: Sources | None = None,
) -> tuple[NDArray, list[Fill]]:
    """Fill gaps and note each fill; every sample that is not lost is the input's, bit for bit.

    Methods:
        auto: what `choice.AUTO` says: autoregression, the same music elsewhere in the recording, bands of other fills.
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
        effort: `best` weighs several autoregressive fills of each gap up to 0.1 s, at twenty times the cost.
        restore_magnitudes: fills lost frames of linear magnitudes on the grid of the sample rate:
            (B, T, F) float32, lost (B, T) bool -> (B, T, F). A frame that touches a lost sample is lost.
        max_gap_s: the longest gap that is predicted.
        max_found_s: the longest that another channel or, in `auto`, the same music elsewhere may fill; None is 5 s, or
            a `max_gap_s` below 1 s. What neither reaches is silent, with a fade of 10 ms at either end.
        sources: where `auto` looks for the same music; None is the samples themselves.

    Returns:
        The shape and dtype of samples, finite; and a note a gap, by channel and start.

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
    lost = np.atleast_2d(_checked_lost(samples, lost))
    filled = np.atleast_2d(samples.copy())
    for channel, missing in zip(filled, lost, strict=True):
        if missing.any():
            known = np.where(missing, 0.0, channel).astype(np.float64)
            values = _fill_channel(known, grid, missing, method, effort, restore_magnitudes, max_gap_s)
            channel[missing] = values[missing]
    gaps = [
        Gap(number, int(start), int(stop))
        for number, channel in enumerate(lost)
        for start, stop in zip(*find_runs(channel), strict=True)
    ]
    if max_found_s is None:
        max_found_s = MAX_FOUND_S if max_gap_s >= MAX_GAP_S else max_gap_s
    found_s = max(max_gap_s, max_found_s)
    notes = _refine(filled, lost, gaps, sample_rate, method, restore_magnitudes, max_gap_s, found_s, sources)
    return filled.reshape(samples.shape), notes


def _refine(
    filled: NDArray,
    lost: NDArray[np.bool_],
    gaps: list[Gap],
    sample_rate: int,
    method: Method,
    restore_magnitudes: RestoreMagnitudes | None,
    max_gap_s: float,
    max_found_s: float,
    sources: Sources | None,
) -> list[Fill]:
    """Improve fills, in place, by other channels and the rest of the recording, and note each."""
    longest = min(max_gap_s * sample_rate, filled.shape[1] - 1)
    short = [gap for gap in gaps if gap.stop - gap.start <= longest]
    most = min(max_found_s * sample_rate, filled.shape[1] - 1)
    long = [gap for gap in gaps if longest < gap.stop - gap.start <= most]
    if method in ("linear", "griffin_lim", "silence"):
        used = {gap: (method, 0.0 if method == "silence" else np.nan) for gap in short}
        return [Fill(*gap, *used.get(gap, ("silence", 0.0))) for gap in gaps]
    known = {gap: Known("model" if method == "model" else "autoregressive") for gap in short}
    if method != "model" and (elsewhere := known_elsewhere(lost, sample_rate)).any():
        _fill_from_others(filled, lost, sample_rate, max_found_s)
        known |= {gap: Known("other channel") for gap in (*short, *long) if elsewhere[gap.channel, gap.start]}
    if method == "auto":
        alone = [gap for gap in short if known[gap].method == "autoregressive"]
        silent = [gap for gap in long if gap not in known]
        looked_for = retrieve(filled, lost, [*alone, *silent], sample_rate, sources or Sources(filled, lost))
        known |= {gap: of for gap, of in looked_for.items() if gap in known or of.method == "retrieval"}
        left = {gap: known[gap] for gap in alone if known[gap].method == "autoregressive"}
        known |= mix(filled, lost, left, sample_rate, restore_magnitudes)
    notes = []
    for gap in gaps:
        if gap in known:
            found = known[gap].measured(filled, gap, sample_rate)
            expected = found.expected_snr_db((gap.stop - gap.start) / sample_rate)
            notes.append(Fill(*gap, found.method, expected, found))
        else:
            notes.append(Fill(*gap, "silence", 0.0))
    return notes


def _fill_from_others(filled: NDArray, lost: NDArray[np.bool_], sample_rate: int, longest_s: float) -> None:
    """Fill again, in place, the gaps throughout which another channel is known."""
    chosen = known_elsewhere(lost, sample_rate)
    for channel in chosen:
        for start, stop in zip(*find_runs(channel), strict=True):
            channel[start:stop] = stop - start <= longest_s * sample_rate
    fill_from_others(filled, lost, chosen, sample_rate, lambda window, gap: fill_gaps(window, gap, sample_rate))


def _checked_lost(samples: NDArray, lost: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Check all arguments; returns `lost` in the shape of samples."""
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
    effort: Effort,
    restore_magnitudes: RestoreMagnitudes | None,
    max_gap_s: float,
) -> NDArray[np.float64]:
    """Fill one channel, (n,), whose lost samples are zero."""
    if method == "silence":
        return known
    if method == "linear":
        return _draw_lines(known, lost, max_gap_s * grid.sample_rate)
    fill_all = fill_stacked if effort == "best" else fill_gaps
    filled = fill_all(known, lost, grid.sample_rate, max_gap_s=max_gap_s)
    if method not in NEEDS_MODEL or restore_magnitudes is None:
        return filled
    from inpaint_ray.filling.synthesis import synthesise_gaps  # torch is loaded where it is needed

    starts, stops = find_runs(lost)
    chosen = stops - starts <= max_gap_s * grid.sample_rate
    gaps = list(zip(starts[chosen].tolist(), stops[chosen].tolist(), strict=True))
    refined = filled.copy()
    for start, stop, new in synthesise_gaps(
        filled, lost, gaps, grid, restore_magnitudes, blind=method == "griffin_lim"
    ):
        refined[start:stop] += join_weight(stop - start, grid.sample_rate) * (new - filled[start:stop])
    return refined


def _draw_lines(known: NDArray[np.float64], lost: NDArray[np.bool_], max_gap: float) -> NDArray[np.float64]:
    """Draw straight lines between the neighbours of each gap; at the ends of the signal the one neighbour is held."""
    filled = known.copy()
    for start, stop in zip(*find_runs(lost), strict=True):
        left, right = start - 1, stop
        if stop - start > max_gap or (left < 0 and right >= len(known)):
            continue
        before = known[left] if left >= 0 else known[right]
        after = known[right] if right < len(known) else before
        filled[start:stop] = np.linspace(before, after, stop - start + 2)[1:-1]
    return filled
