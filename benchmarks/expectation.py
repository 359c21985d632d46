"""The expected SNR of fills: its coefficients and how far they hold, fitted on the tuning half, drawn on the test half.

    python -m benchmarks.expectation scores.csv --plot docs/results/expected_snr.png

Scores are those of `python -m benchmarks.long_gaps --methods auto "auto + network" network --scores scores.csv`, of
both halves.
"""

import argparse
import csv
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from inpaint_ray.filling.expectation import COEFFICIENTS, LIKELY_DB, SURE_DB, expected_db, features, in_a_word

LOWEST_DB, HIGHEST_DB = -10.0, 40.0  # what a truth counts for
RIDGE = 1.0  # of the coefficients but the constant: few gaps tell little
WORDS = ("sure", "likely", "guess")


def told_by(row: dict[str, str]) -> tuple[str, NDArray[np.float64]]:
    """Return the row of COEFFICIENTS for a score, and the features that it multiplies."""
    level, trust, pseudo = map(float, row["told_by"].split())
    return features(row["used"], int(row["length_ms"]) / 1000, level, trust, pseudo)


def expected_of(rows: list[dict[str, str]]) -> NDArray[np.float64]:
    """Return the SNR expected by the current coefficients, in dB."""
    given = [(row["used"], int(row["length_ms"]) / 1000, *map(float, row["told_by"].split())) for row in rows]
    return np.array([expected_db(*each) for each in given])


def truth_of(rows: list[dict[str, str]]) -> NDArray[np.float64]:
    """Return the SNR that was reached, in dB."""
    return np.clip([float(row["snr_db"]) for row in rows], LOWEST_DB, HIGHEST_DB)


def print_fit(rows: list[dict[str, str]]) -> None:
    """Print coefficients of least squares, in the form of COEFFICIENTS."""
    for kind in COEFFICIENTS:
        chosen = [row for row in rows if told_by(row)[0] == kind]
        if len(chosen) < 10:
            print(f'    "{kind}": {COEFFICIENTS[kind]},  # as it is: {len(chosen)} gaps')
            continue
        values, truth = np.stack([told_by(row)[1] for row in chosen]), truth_of(chosen)
        ridge = RIDGE * np.diag([0.0, 1.0, 1.0, 1.0])
        fitted = np.linalg.solve(values.T @ values + ridge, values.T @ truth)
        error = np.sqrt(np.mean((values @ fitted - truth) ** 2))
        shown = ", ".join(f"{value:.2f}" for value in fitted)
        print(f'    "{kind}": ({shown}),  # {len(chosen)} gaps, {error:.1f} dB off')


def print_check(rows: list[dict[str, str]]) -> None:
    """Print the table of the errors of expectations, in Markdown."""
    print("| expected | gaps | true SNR, mean | a tenth is below | half | a tenth is above |")
    print("|---|--:|--:|--:|--:|--:|")
    for word in WORDS:
        truth = truth_of([row for row, value in zip(rows, expected_of(rows), strict=True) if in_a_word(value) == word])
        if len(truth):
            low, middle, high = np.percentile(truth, [10, 50, 90])
            print(f"| {word} | {len(truth)} | {truth.mean():.1f} | {low:.1f} | {middle:.1f} | {high:.1f} |")
    expected, truth = expected_of(rows), truth_of(rows)
    apart = f"{np.mean(expected - truth):+.2f} dB in the mean, {np.sqrt(np.mean((expected - truth) ** 2)):.2f} dB RMS"
    print(f"\nexpected over true: {apart}; correlation {np.corrcoef(expected, truth)[0, 1]:.2f}")


def draw(rows: list[dict[str, str]], path: Path) -> None:
    """Draw expected against true SNR, a colour a kind."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 5), layout="constrained")
    for kind in COEFFICIENTS:
        chosen = [row for row in rows if told_by(row)[0] == kind]
        if chosen:
            name = "autoregressive, pseudo gaps filled" if kind == "pseudo" else kind
            axes.scatter(expected_of(chosen), truth_of(chosen), s=9, alpha=0.6, label=f"{name} ({len(chosen)})")
    axes.axline((0, 0), slope=1, color="black", linewidth=0.8)
    for edge in (SURE_DB, LIKELY_DB):
        axes.axvline(edge, color="grey", linewidth=0.6, linestyle=":")
    axes.set(xlabel="expected SNR in the gap, dB", ylabel="true SNR in the gap, dB")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path, nargs="+", help="CSVs of benchmarks.long_gaps")
    parser.add_argument("--plot", type=Path, help="PNG to draw")
    arguments = parser.parse_args()
    rows = [row for path in arguments.scores for row in csv.DictReader(path.open()) if row["told_by"]]
    tune, test = ([row for row in rows if row["half"] == half] for half in ("tune", "test"))
    print(f"COEFFICIENTS, fitted on {len(tune)} fills of the tuning half:")
    print_fit(tune)
    if test:
        print(f"\n{len(test)} fills of the test half:\n")
        print_check(test)
        if arguments.plot:
            draw(test, arguments.plot)


if __name__ == "__main__":
    main()
