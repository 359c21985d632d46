"""Autoregressive fills of several orders, weighted by how well each fills gaps whose truth is known.

Pseudo gaps of the gap's own length are cut beside it, with the gap already filled; the weights are those with which
the errors there are least (Wolpert, 1992). Costs about twenty fills in place of one.

Shapes: n = samples, m = models, p = pseudo gaps.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.runs import find_runs
from inpaint_ray.filling.autoregressive import fill_gaps
from inpaint_ray.filling.expectation import fill_pseudo_gap, pseudo_gaps

LONGEST_S = 0.1  # of a gap; above it the models agree
MODELS = ((0.5, 8), (1.0, 8), (1.5, 6), (1.0, 12))  # order and context, over the usual one and in orders
USUAL = 1  # of the models
RIDGE = 0.1  # of the errors' products, over the least square

Signal = NDArray[np.float64]


def fill_stacked(signal: Signal, lost: NDArray[np.bool_], sample_rate: int, *, max_gap_s: float) -> Signal:
    """Fill gaps of a signal, up to 0.1 s by a weighted sum of models, above by the usual one: (n,)."""
    fills = [fill(signal, lost, max_gap_s=max_gap_s) for fill in _fillers(sample_rate)]
    filled = fills[USUAL].copy()
    for start, stop in zip(*find_runs(lost), strict=True):
        if stop - start <= min(LONGEST_S, max_gap_s) * sample_rate:
            weights = _weights(fills[USUAL], lost, int(start), int(stop), sample_rate)
            filled[start:stop] = sum(w * fill[start:stop] for w, fill in zip(weights, fills, strict=True))
    return filled


def _fillers(sample_rate: int) -> list[Callable[..., Signal]]:
    return [
        partial(fill_gaps, sample_rate=sample_rate, order_scale=scale, context_orders=context)
        for scale, context in MODELS
    ]


def _weights(filled: Signal, lost: NDArray[np.bool_], start: int, stop: int, sample_rate: int) -> NDArray[np.float64]:
    """Return a weight for each model, of sum 1; equal where no pseudo gap can be placed: (m,)."""
    products = np.zeros((len(MODELS), len(MODELS)))
    for gap in pseudo_gaps(lost, start, stop):
        truth = filled[gap[0] : gap[1]]
        errors = np.stack([fill_pseudo_gap(filled, *gap, sample_rate, fill) - truth for fill in _fillers(sample_rate)])
        energies = errors @ errors.T
        products += energies / max(float(np.diag(energies).min()), 1e-12)
    if not products.any():
        return np.full(len(MODELS), 1 / len(MODELS))
    weights = np.linalg.solve(products / products.diagonal().min() + RIDGE * np.eye(len(MODELS)), np.ones(len(MODELS)))
    return weights / weights.sum()
