"""Gaps that people have marked: Audacity label tracks, JSON, and lists of a whole archive."""

import csv
import io
import json
import math
import re
from collections import defaultdict
from typing import NamedTuple

from inpaint_ray.audio.detection import Gap, join_gaps

_CHANNEL = re.compile(r"channel (\d+)")  # a label's text, of a gap in one channel only


class Label(NamedTuple):
    """A marked stretch."""

    start: float  # seconds
    stop: float  # seconds
    channel: int | None = None  # from 0; None for all


def read_labels(text: str) -> list[Label]:
    """The stretches of an Audacity label track or of a JSON list, in order.

    A line of a label track is start, stop and a name, separated by tabs; the name `channel 0` marks a gap of one
    channel only. Lines that begin with a backslash hold frequencies and are passed over, and so are blank ones. JSON
    is a list of {"start": seconds, "end": seconds, "channel": from 0}, the channel only where it is one. A label
    without extent marks a place and no gap: it is left out.

    Raises:
        ValueError: something is not a label; the message has its line or number.
    """
    text = text.lstrip("\ufeff")
    labels = _read_json(text) if text.lstrip().startswith(("[", "{")) else _read_track(text)
    return sorted((label for label in labels if label.stop > label.start), key=lambda label: label[:2])


def write_labels(gaps: list[Gap], num_channels: int, sample_rate: int) -> str:
    """A label track that Audacity opens; gaps that all channels have are one label."""
    by_place: dict[tuple[int, int], list[int]] = defaultdict(list)
    for gap in gaps:
        by_place[gap.start, gap.stop].append(gap.channel)
    lines = []
    for (start, stop), channels in sorted(by_place.items()):
        names = ["gap"] if len(channels) == num_channels else [f"channel {channel}" for channel in channels]
        lines += [f"{start / sample_rate:.6f}\t{stop / sample_rate:.6f}\t{name}\n" for name in names]
    return "".join(lines)


def read_gap_list(text: str) -> dict[str, str]:
    """File name -> its gaps as JSON that `read_labels` reads, of a CSV with columns name, start, end and maybe channel.

    Raises:
        ValueError: a column is missing, or a line has no stretch of time.
    """
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    missing = {"name", "start", "end"} - set(rows.fieldnames or ())
    if missing:
        raise ValueError(f"no column {', '.join(sorted(missing))}; the first line must be name,start,end[,channel]")
    labels: dict[str, list[dict[str, float]]] = defaultdict(list)
    for row in rows:
        try:
            label = {key: float(row[key]) for key in ("start", "end")}
            if row.get("channel"):
                label["channel"] = int(row["channel"])
        except (TypeError, ValueError):
            raise ValueError(f"line {rows.line_num}: start, end or channel is no number") from None
        labels[row["name"]].append(label)
    return {name: json.dumps(values) for name, values in labels.items()}


def place_labels(labels: list[Label], num_channels: int, num_samples: int, sample_rate: int) -> list[Gap]:
    """The gaps that labels mark, each at least one sample; what lies beyond the end is cut.

    Raises:
        ValueError: a label names a channel that there is not.
    """
    gaps = []
    for label in labels:
        if label.channel is not None and not 0 <= label.channel < num_channels:
            raise ValueError(f"a label names channel {label.channel}; there are {num_channels}, counted from 0")
        start = round(label.start * sample_rate)
        stop = min(max(round(label.stop * sample_rate), start + 1), num_samples)
        channels = range(num_channels) if label.channel is None else [label.channel]
        gaps += [Gap(channel, start, stop) for channel in channels if start < stop]
    return join_gaps(gaps)


def _read_track(text: str) -> list[Label]:
    labels = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        fields = line.split("\t")
        try:
            start, stop = (float(field) for field in fields[:2])
        except ValueError:
            raise ValueError(
                f"line {number} of the label track is not START<tab>STOP<tab>NAME: {line[:40]!r}"
            ) from None
        channel = _CHANNEL.fullmatch(fields[2].strip()) if len(fields) > 2 else None
        label = Label(start, stop, int(channel[1]) if channel else None)
        labels.append(_checked(label, f"line {number} of the label track"))
    return labels


def _read_json(text: str) -> list[Label]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(values, list):
        raise ValueError('JSON of gaps must be a list of {"start": seconds, "end": seconds}')
    labels = []
    for number, value in enumerate(values):
        try:
            channel = value.get("channel")
            label = Label(float(value["start"]), float(value["end"]), None if channel is None else int(channel))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ValueError(f'gap {number} is not {{"start": seconds, "end": seconds}}: {str(value)[:40]}') from None
        labels.append(_checked(label, f"gap {number}"))
    return labels


def _checked(label: Label, where: str) -> Label:
    if not (0 <= label.start <= label.stop and math.isfinite(label.stop)):
        raise ValueError(f"{where}: {label.start:g} to {label.stop:g} is no stretch of time")
    return label
