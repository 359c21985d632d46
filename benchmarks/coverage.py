"""Measure how often 95 % intervals over tracks hold the true mean, for known distributions and few tracks.

    python -m benchmarks.coverage

A column a number of tracks; in each, first with as many patches in every track, then with 1 to 10 at random.
"""

import argparse
from collections.abc import Callable
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.evaluate import statistics
from inpaint_ray.tables import markdown_table

Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]

DISTRIBUTIONS: dict[str, tuple[Draw, float]] = {  # draws, and their mean
    "normal": (lambda random, size: random.normal(size=size), 0.0),
    "uniform": (lambda random, size: random.uniform(size=size), 0.5),
    "lognormal 0.5": (lambda random, size: random.lognormal(0.0, 0.5, size), float(np.exp(0.5**2 / 2))),
    "lognormal 1": (lambda random, size: random.lognormal(0.0, 1.0, size), float(np.exp(0.5))),
}


def measure(draw: Draw, truth: float, num_tracks: int, *, uneven: bool, num_draws: int, seed: int = 0) -> float:
    """Measure the share of the intervals that hold the truth."""
    random = np.random.default_rng(seed)
    held, repeats = 0, 100  # so many draws of the patches a track
    for _ in range(repeats):
        counts = random.integers(1, 11, num_tracks).astype(float) if uneven else np.full(num_tracks, 58.0)
        values = draw(random, (num_tracks, num_draws // repeats))
        held += sum(i.low <= truth <= i.high for i in statistics.mean_intervals(values * counts[:, None], counts))
    return held / (num_draws // repeats * repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, nargs="+", default=[3, 4, 5, 6, 8, 12, 20, 40])
    parser.add_argument("--draws", type=int, default=20_000)
    given = parser.parse_args()
    rows = []
    with mock.patch.object(statistics, "FEWEST_TRACKS", 2):  # to see what those that are not shown would be worth
        for name, (draw, truth) in DISTRIBUTIONS.items():
            shares = [
                [measure(draw, truth, count, uneven=uneven, num_draws=given.draws) for uneven in (False, True)]
                for count in given.tracks
            ]
            rows.append([name, *(f"{100 * even:.1f} {100 * uneven:.1f}" for even, uneven in shares)])
    print(markdown_table(["% of intervals", *map(str, given.tracks)], rows))


if __name__ == "__main__":
    main()
