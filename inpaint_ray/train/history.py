"""The rows of metrics of a run, one for each finished epoch."""

import math


def best_row(history: list[dict[str, float]]) -> dict[str, float]:
    """Return the row of the epoch with the best validation PSNR, the first of equals.

    An epoch whose PSNR is not finite is worse than every other: the network's output was not finite on some patch.
    """
    return max(history, key=lambda row: row["psnr"] if math.isfinite(row["psnr"]) else -math.inf)
