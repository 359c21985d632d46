"""The pictures of a leaderboard, as PNG."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from inpaint_ray.pages.pictures import to_png
from inpaint_ray.tune.entries import Entry, pareto_front
from inpaint_ray.tune.space import Value

GAIN = "gain over the damaged input, dB PSNR"
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
MOST_BANDS = 5  # of an axis with a band for each value

Floats = NDArray[np.float64]


def draw_pareto(entries: Sequence[Entry]) -> bytes:
    """Draw gain against multiply-adds, and the Pareto front; empty without a score."""
    done = [entry for entry in entries if entry.has_score]
    if not done:
        return b""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes: Axes = figure.subplots()
    front = pareto_front(done)
    axes.step(
        [e.multiply_adds / 1e6 for e in front],
        [e.gain for e in front],
        where="post",
        color="gray",
        label="Pareto front",
    )
    names = list(dict.fromkeys(entry.architecture for entry in done))
    for number, (name, marker) in enumerate(zip(names, cycle(np.repeat(MARKERS, 10)), strict=False)):
        points = [(entry.multiply_adds / 1e6, entry.gain) for entry in done if entry.architecture == name]
        axes.scatter(*zip(*points, strict=True), color=f"C{number % 10}", marker=str(marker), zorder=3, label=name)
    axes.axhline(done[0].interpolation_gain, color="black", linewidth=1, linestyle="--", label="linear interpolation")
    axes.set(xlabel="million multiply-adds a patch", ylabel=GAIN)
    costs = [entry.multiply_adds for entry in done]
    if max(costs) > 2 * min(costs):  # nearer ones have no ticks of their own on such an axis
        axes.set_xscale("log")
        axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:,.0f}", minor_formatter="")
    axes.grid(alpha=0.3)
    figure.legend(fontsize="xx-small", loc="outside right upper")
    return to_png(figure)


def draw_curves(entries: Sequence[Entry]) -> bytes:
    """Draw gain against patches seen, a line for each trial; empty without a score."""
    done = [entry for entry in entries if entry.has_score]
    if not done:
        return b""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes: Axes = figure.subplots()
    for number, (entry, style) in enumerate(zip(done, cycle(np.repeat(STYLES, 10)), strict=False)):
        seen = np.cumsum([row["patches"] for row in entry.history])
        gains = [row["gain"] for row in entry.history]
        axes.plot(seen, gains, str(style), color=f"C{number % 10}", marker=".", linewidth=1, label=entry.trial)
    axes.axhline(done[0].interpolation_gain, color="black", linewidth=1, linestyle="--", label="linear interpolation")
    axes.set(xlabel="training patches", ylabel=GAIN)
    axes.grid(alpha=0.3)
    figure.legend(fontsize="xx-small", loc="outside right upper")
    return to_png(figure)


def draw_space(entries: Sequence[Entry]) -> bytes:
    """Draw parallel coordinates: each trial a line through its settings to its gain; empty without varied settings."""
    done = [entry for entry in entries if entry.has_score and entry.settings]
    if not done:
        return b""
    names = sorted({name for entry in done for name in entry.settings})
    places = [
        _bands([entry.architecture for entry in done]),
        *(_along_axis([entry.settings[name] for entry in done]) for name in names),
        _by_size([entry.gain for entry in done]),
    ]
    figure = Figure(figsize=(1.9 * len(places), 4.5), layout="constrained")
    axes: Axes = figure.subplots()
    for number, (_, labels) in enumerate(places):
        axes.axvline(number, color="gray", linewidth=1)
        for text, height in labels.items():
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
            axes.text(number + 0.04, height, text, fontsize="small", va="center", bbox=box, zorder=3)
    colours = colormaps["viridis_r"](np.linspace(1, 0.1, len(done)))  # from dark, the best, to light
    for line, colour in zip(np.array([heights for heights, _ in places]).T, colours, strict=True):
        axes.plot(range(len(places)), line, color=colour, marker=".")
    axes.set_xticks(range(len(places)), ["architecture", *names, "gain, dB PSNR"])
    axes.set(yticks=[], xlim=(-0.1, len(places) - 0.5))
    return to_png(figure)


def _along_axis(values: Sequence[Value]) -> tuple[Floats, dict[str, float]]:
    """Return the heights of values on an axis, from 0 to 1, and labels at some of them."""
    numbers = [value for value in values if isinstance(value, int | float)]
    few = len(set(values)) <= MOST_BANDS or len(numbers) < len(values)
    return _bands(values) if few else _by_size(numbers)


def _bands(values: Sequence[Value]) -> tuple[Floats, dict[str, float]]:
    """Return heights in bands, one for each value, with the trials in each by rank, the best above."""
    distinct = sorted(set(values), key=lambda value: (value if isinstance(value, int | float) else 0.0, str(value)))
    ranks = np.linspace(0.8, 0.2, len(values))
    heights = np.array([distinct.index(value) + rank for value, rank in zip(values, ranks, strict=True)])
    labels = {"none" if value is None else str(value): number + 0.5 for number, value in enumerate(distinct)}
    return heights / len(distinct), {text: height / len(distinct) for text, height in labels.items()}


def _by_size(numbers: Sequence[float]) -> tuple[Floats, dict[str, float]]:
    """Return heights by size, logarithmic where values span more than a decade."""
    least, most = min(numbers), max(numbers)
    scale = np.log if least > 0 and most > 10 * least else np.asarray
    heights = (scale(numbers) - scale(least)) / (scale(most) - scale(least) or 1.0)
    return heights, {f"{least:.4g}": 0.0, f"{most:.4g}": 1.0}
