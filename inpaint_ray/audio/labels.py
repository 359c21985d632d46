"""Gaps that people have marked: Audacity label tracks."""

import math

import numpy as np
from numpy.typing import NDArray


def read_labels(text: str) -> list[tuple[float, float]]:
    """Start and stop in seconds of every label of a track that Audacity exported, in order.

    A line is start, stop and a name, separated by tabs; lines that begin with a backslash hold frequencies and are
    passed over, and so are blank ones. A label without extent marks a place and no gap: it is left out.

    Raises:
        ValueError: a line is not a label; the message has its number.
    """
    labels = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        try:
            start, stop = (float(field) for field in line.split("\t")[:2])
        except ValueError:
            raise ValueError(
                f"line {number} of the label track is not START<tab>STOP<tab>NAME: {line[:40]!r}"
            ) from None
        if not (0 <= start <= stop and math.isfinite(stop)):
            raise ValueError(f"line {number} of the label track: {start:g} to {stop:g} is no stretch of time")
        if stop > start:
            labels.append((start, stop))
    return sorted(labels)


def mark_labels(labels: list[tuple[float, float]], num_samples: int, sample_rate: int) -> NDArray[np.bool_]:
    """Lost samples, (num_samples,): those that the labels cover, each at least one sample; what lies beyond is cut."""
    lost = np.zeros(num_samples, dtype=bool)
    for start_s, stop_s in labels:
        start = round(start_s * sample_rate)
        lost[start : max(round(stop_s * sample_rate), start + 1)] = True
    return lost
