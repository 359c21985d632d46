"""The pictures of the results page, as PNG."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from inpaint_ray.evaluate.statistics import Interval
from inpaint_ray.pages.pictures import to_png


def draw_bars(groups: Sequence[str], values: Mapping[str, Sequence[Interval]], *, quantity: str) -> bytes:
    """Draw a group of bars for each genre or folder, a bar for each method, with its interval.

    Args:
        groups: names along the axis.
        values: method -> an interval for each group.
        quantity: what is drawn, with its unit.
    """
    figure = Figure(figsize=(max(7.0, 1.0 * len(groups) + 2), 4), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(groups))
    width = 0.8 / len(values)
    for number, (method, intervals) in enumerate(values.items()):
        means = _means(intervals)
        offset = (number - (len(values) - 1) / 2) * width
        axes.bar(
            places + offset, means, width, label=_plain(method), yerr=_errors(intervals), error_kw={"linewidth": 1}
        )
    axes.set_xticks(places, [_plain(group) for group in groups], rotation=30, ha="right")
    axes.set(ylabel=quantity)
    axes.axhline(0, color="gray", linewidth=1)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(fontsize="small", loc="outside upper center", ncols=4)
    return to_png(figure)


def draw_lines(classes: Sequence[str], values: Mapping[str, Sequence[Interval]], *, along: str, quantity: str) -> bytes:
    """Draw a line for each method over classes of damage, with its interval.

    Args:
        classes: names along the axis, in order.
        values: method -> an interval for each class.
        along: what the classes are of, with its unit.
        quantity: what is drawn, with its unit.
    """
    figure = Figure(figsize=(7.5, 4), layout="constrained")
    axes = figure.subplots()
    for method, intervals in values.items():
        means = _means(intervals)
        axes.errorbar(range(len(classes)), means, yerr=_errors(intervals), marker="o", capsize=3, label=_plain(method))
    axes.set_xticks(range(len(classes)), classes)
    axes.set(xlabel=along, ylabel=quantity)
    axes.grid(alpha=0.3)
    figure.legend(fontsize="small", loc="outside upper center", ncols=4)
    return to_png(figure)


def _plain(name: str) -> str:
    """Escape the dollar signs of a name, which matplotlib would read as formulas."""
    return name.replace("$", r"\$")


def _means(intervals: Sequence[Interval]) -> list[float]:
    """Return the means to draw; NaN, which draws nothing, where a method failed or there is no mean."""
    return [interval.mean if np.isfinite(interval.mean) else np.nan for interval in intervals]


def _errors(intervals: Sequence[Interval]) -> np.ndarray:
    """Return the lengths of error bars below and above the mean, (2, groups); zero where there is no interval."""
    errors = [(each.mean - each.low, each.high - each.mean) for each in intervals]
    return np.nan_to_num(np.array(errors).T).clip(min=0)
