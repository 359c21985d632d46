"""Fit the confidence of click events on the tuning half, which the network was not trained on.

    python -m benchmarks.calibrate_clicks --music FOLDER --weights clicks.safetensors [--seconds 4]

Writes the weights again with the fit in their metadata, and prints how the gain of events follows from thresholds. The
gain is a bound that needs no filling: what is lost with the damage that stays, and with a share of the music in events.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize

from benchmarks.local_music import list_music, read_clean
from inpaint_ray.audio.local_damage import damage_locally
from inpaint_ray.finding import clicks
from inpaint_ray.finding.network import ClickNetwork

KINDS = ("music", "clean", "clicks", "crackle", "scratches", "held", "muted")  # clean music without and with hiss first
LOWS = (1.0, 1.5, 2.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="read, and written to the package")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each recording, twice as much at 16 kHz")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network = ClickNetwork()
    network.load_state_dict(load_file(arguments.weights))
    clicks._network = lambda: network.eval()  # what is fitted is not yet what ships
    rows: dict[float, list[tuple[float, ...]]] = {low: [] for low in LOWS}
    for number, path in enumerate(list_music(arguments.music, "tuning")):
        for kind_number, kind in enumerate(KINDS):
            clean, rate = read_clean(path, hiss=kind != "music")
            clean = clean[:, : round(arguments.seconds * rate * (2 if rate < 20_000 else 1))]
            damaged, lost = clean, np.zeros(clean.shape, dtype=bool)
            if kind not in ("music", "clean"):
                damaged, lost = damage_locally(clean, rate, kind, np.random.default_rng([2, number, kind_number]))
            logits = clicks.click_logits(damaged, rate)
            for low in LOWS:
                for channel, of in enumerate(logits):
                    power = float(np.sum(clean[channel] ** 2)) / 1e4  # what stays of 40 dB below the music counts
                    for start, stop in clicks.runs_above(of, low):
                        inside = slice(start, stop)
                        error = float(np.sum((damaged - clean)[channel, inside] ** 2)) / power
                        price = (0.1 if stop - start < rate / 1000 else 0.3) * float(
                            np.sum(clean[channel, inside] ** 2)
                        )
                        part = of[inside]
                        real = float(lost[channel, inside].any())
                        length = math.log(stop - start)
                        rows[low].append(
                            (kind_number, real, float(part.max()), float(part.mean()), length, error, price / power)
                        )
    fits = {low: _fit(np.array(rows[low])) for low in LOWS}
    for low in LOWS:
        _print(low, np.array(rows[low]), fits[low])
    fit = dict(zip(clicks.Calibration._fields, fits[clicks.LOW].tolist(), strict=True))
    save_file(load_file(arguments.weights), clicks.WEIGHTS, metadata={"calibration": json.dumps(fit)})
    print(f"written to {clicks.WEIGHTS}: {fit}")


def _inputs(rows: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(rows)), rows[:, 2:5]])


def _fit(rows: np.ndarray) -> np.ndarray:
    """Logistic regression of what is real on highest and mean logit and on the logarithm of the length."""
    inputs, sign = _inputs(rows), 2 * rows[:, 1] - 1
    balance = np.where(rows[:, 0] == KINDS.index("crackle"), 0.2, 1.0)  # whose events are many

    def loss(weights: np.ndarray) -> float:
        return float(np.sum(balance * np.logaddexp(0, -sign * (inputs @ weights))) + 0.01 * np.sum(weights**2))

    return np.asarray(minimize(loss, np.array([0.0, 1.0, 0.0, 0.0])).x)


def _print(low: float, rows: np.ndarray, fit: np.ndarray) -> None:
    confidence = 1 / (1 + np.exp(-_inputs(rows) @ fit))
    for least in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        chosen = confidence >= least
        text = []
        for number, kind in enumerate(KINDS):
            of = chosen & (rows[:, 0] == number)
            right = rows[of, 1].mean() if of.any() else math.nan
            text.append(f"{kind} {of.sum()} ({right:.2f}) {rows[of, 5].sum() - rows[of, 6].sum():+.1f}")
        print(f"low {low:+.1f} least {least:.2f}: " + "  ".join(text))


if __name__ == "__main__":
    main()
