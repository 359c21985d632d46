"""The row of the gap table for a repair."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.decode import Recording
from inpaint_ray.filling.expectation import in_a_word
from inpaint_ray.filling.waveform import Fill
from inpaint_ray.merging.offers import CopyFill
from inpaint_ray.restore.decisions import UNDO, Part
from inpaint_ray.restore.formats import Target, convert
from inpaint_ray.restore.gap_table import FilledGap
from inpaint_ray.restore.pieces import Piece


def make_row(
    window: Recording, restored: Recording, piece: Piece, target: Target, part: Part, decision: str
) -> FilledGap:
    """Return the row of a repair; the caller sets its `name`."""
    rate, first = window.sample_rate, piece.window[0]
    (channel, start, stop), gap, note = part
    undone = decision == UNDO
    expected = np.nan if undone else note.expected_snr_db
    before, after = (each.cut(start - first, stop - first) for each in (window, restored))
    original = convert(before, target).samples[channel]
    return FilledGap(
        name="",
        channel=channel,
        start=start,
        stop=stop,
        kind=gap.kind,
        confidence=gap.confidence,
        start_s=start / rate,
        seconds=(stop - start) / rate,
        method="" if undone else note.method,
        expected_snr_db=None if np.isnan(expected) else expected,
        trust="" if np.isnan(expected) else in_a_word(expected),
        **({} if undone else _origin(note)),
        level_before_db=_level_db(before.to_float()[channel]),
        level_after_db=_level_db(after.to_float()[channel]),
        decision=decision,
        dtype=str(original.dtype),
        replaced=original.tobytes(),
    )


def _origin(note: Fill) -> dict[str, Any]:
    """Return the columns that tell from where in a copy the samples came; none for other fills."""
    if not isinstance(note, CopyFill):
        return {}
    return {
        "copy": note.copy,
        "copy_start_s": note.copy_start_s,
        "match_before_db": note.before_db,
        "match_after_db": note.after_db,
    }


def _level_db(samples: NDArray) -> float:
    """Return the power of the finite samples in dB of full scale."""
    finite = samples[np.isfinite(samples)].astype(np.float64)
    power = float(np.mean(finite**2)) if len(finite) else 0.0
    return 10 * np.log10(power) if power else -np.inf
