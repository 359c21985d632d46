"""The pictures of a leaderboard, as PNG."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from inpaint_ray.evaluate.plots import to_png
from inpaint_ray.tune.entries import Entry, pareto_front

GAIN = "gain over the damaged input, dB PSNR"
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")


def draw_pareto(entries: Sequence[Entry]) -> bytes:
    """Gain against multiply-adds, and the front of those that nothing cheaper beats; empty if nothing was trained."""
    done = [entry for entry in entries if entry.epochs]
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
    axes.set(xscale="log", xlabel="million multiply-adds a patch", ylabel=GAIN)
    axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:,.0f}", minor_formatter="")
    axes.grid(alpha=0.3)
    figure.legend(fontsize="xx-small", loc="outside right upper")
    return to_png(figure)


def draw_curves(entries: Sequence[Entry]) -> bytes:
    """Gain against patches seen, a line for each trial; empty where nothing was trained."""
    done = [entry for entry in entries if entry.epochs]
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
    """Parallel coordinates: each trial a line through its settings to its gain; empty where nothing was varied."""
    done = [entry for entry in entries if entry.epochs and entry.settings]
    if not done:
        return b""
    names = ["architecture", *sorted({name for entry in done for name in entry.settings}), "gain"]
    figure = Figure(figsize=(max(6.0, 2.2 * len(names)), 4.5), layout="constrained")
    axes: Axes = figure.subplots()
    columns = []
    for place, name in enumerate(names):
        values = [_value(entry, name) for entry in done]
        heights, ticks = _scale(values)
        columns.append(heights)
        for label, height in ticks.items():
            axes.text(place + 0.03, height, label, fontsize="x-small", va="center")
        axes.axvline(place, color="gray", linewidth=1)
    gains = np.array(columns[-1])
    for line, gain in zip(np.array(columns).T, gains, strict=True):
        axes.plot(range(len(names)), line, color=(1 - gain, 0.3, gain), alpha=0.7)
    axes.set_xticks(range(len(names)), [*names[:-1], GAIN])
    axes.set(yticks=[], xlim=(-0.1, len(names) - 0.5))
    return to_png(figure)


def _value(entry: Entry, name: str) -> object:
    return {"architecture": entry.architecture, "gain": entry.gain}.get(name, entry.settings.get(name))


def _scale(values: list[object]) -> tuple[list[float], dict[str, float]]:
    """Heights from 0 to 1, and labels at some of them: numbers by value, others evenly."""
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if len(numbers) == len(values) and min(numbers) < max(numbers):
        scaled = np.log(numbers) if min(numbers) > 0 and max(numbers) > 10 * min(numbers) else np.array(numbers)
        heights = (scaled - scaled.min()) / (scaled.max() - scaled.min())
        ends = (int(np.argmin(numbers)), int(np.argmax(numbers)))
        return heights.tolist(), {f"{numbers[end]:.4g}": float(heights[end]) for end in ends}
    words = sorted({str(value) for value in values})
    places = {word: number / max(len(words) - 1, 1) for number, word in enumerate(words)}
    return [places[str(value)] for value in values], places
