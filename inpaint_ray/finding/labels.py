"""Gaps marked by hand: Audacity label tracks, JSON, and lists of a whole archive."""

import csv
import io
import json
import math
import re
from collections import defaultdict
from typing import NamedTuple, cast

from inpaint_ray.audio.runs import KINDS, Event, Kind, join_events

# A label's text, of a gap in one channel only, or of what was found: "channel 1 click 0.93"
_NAME = re.compile(rf"(?:channel (\d+))?(?: ?({'|'.join(KINDS)}) (0\.\d+|1\.0+))?")
_COMMA = "; a decimal comma? write 1.5, not 1,5"
PAST_END_S = 0.1  # a label drawn by hand may reach so far past the end of the sound


class LabelError(ValueError):
    """An invalid mark; the message has its line or number, without the name of its file."""


class Label(NamedTuple):
    """A marked stretch."""

    start: float  # seconds
    stop: float  # seconds
    channel: int | None = None  # from 0; None for all
    place: str = ""  # its position in the file, for messages: "line 3"
    kind: Kind = "marked"
    confidence: float = 1.0


def read_labels(text: str) -> list[Label]:
    """Read the stretches of an Audacity label track or of a JSON list, in order.

    A line of a label track is start, stop and a name, separated by tabs; the name `channel 0` marks a gap of one
    channel only, `click 0.93` or `channel 0 click 0.93` an event as `write_labels` writes it. Lines that begin with a
    backslash hold frequencies and are skipped, and so are blank ones. JSON is a list of {"start": seconds, "end":
    seconds, "channel": from 0}, the channel only where it is one. A label without extent marks a place and no gap: it
    is left out.

    Raises:
        LabelError: something is not a label.
    """
    text = text.lstrip("\ufeff")
    labels = _read_json(text) if text.lstrip().startswith(("[", "{")) else _read_track(text)
    return sorted((label for label in labels if label.stop > label.start), key=lambda label: label[:2])


def write_labels(gaps: list[Event], num_channels: int, sample_rate: int) -> str:
    """Format an Audacity label track, with kinds and confidences; events of all channels are one label."""
    by_place: dict[tuple[int, int, str], list[int]] = defaultdict(list)
    for gap in gaps:
        found = "" if gap.kind == "marked" else f"{gap.kind} {gap.confidence:.2f}"
        by_place[gap.start, gap.stop, found].append(gap.channel)
    lines = []
    for (start, stop, found), channels in sorted(by_place.items()):
        whole = len(channels) == num_channels
        names = [found or "gap"] if whole else [f"channel {channel} {found}".rstrip() for channel in channels]
        lines += [f"{start / sample_rate:.6f}\t{stop / sample_rate:.6f}\t{name}\n" for name in names]
    return "".join(lines)


class ListedGaps(NamedTuple):
    """The gaps of one file in a list of a whole archive."""

    labels: str  # as JSON that `read_labels` reads
    lines: list[int]  # of the list


def read_gap_list(text: str) -> dict[str, ListedGaps]:
    """Read a CSV with columns name, start, end and maybe channel: file name -> its gaps.

    Raises:
        LabelError: a column is missing, or a line has no stretch of time.
    """
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    missing = {"name", "start", "end"} - set(rows.fieldnames or ())
    if missing:
        raise LabelError(f"no column {', '.join(sorted(missing))}; the first line must be name,start,end[,channel]")
    found: dict[str, list[dict[str, float | str]]] = defaultdict(list)
    lines: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        place = f"line {rows.line_num}"
        if None in row:
            raise LabelError(f"{place}: more fields than the first line names{_COMMA}")
        try:
            label: dict[str, float | str] = {key: float(row[key]) for key in ("start", "end")}
            if row.get("channel"):
                label["channel"] = int(row["channel"])
        except (TypeError, ValueError):
            comma = _COMMA if "," in f"{row['start']}{row['end']}" else ""
            raise LabelError(f"{place}: start, end or channel is no number{comma}") from None
        found[row["name"]].append(label | {"place": place})
        lines[row["name"]].append(rows.line_num)
    return {name: ListedGaps(json.dumps(labels), lines[name]) for name, labels in found.items()}


def place_labels(labels: list[Label], num_channels: int, num_samples: int, sample_rate: int) -> list[Event]:
    """Convert labels to gaps of at least one sample each; what lies up to 0.1 s beyond the end is cut.

    Raises:
        LabelError: a label names a channel that there is not, or lies past the end.
    """
    gaps, length_s = [], num_samples / sample_rate
    for label in labels:
        if label.channel is not None and not 0 <= label.channel < num_channels:
            raise LabelError(f"{label.place} names channel {label.channel}; there are {num_channels}, counted from 0")
        if label.start >= length_s or label.stop > length_s + PAST_END_S:
            raise LabelError(
                f"{label.place} marks {label.start:g} to {label.stop:g} s of a recording of {length_s:.2f} s; "
                "are these milliseconds? times are seconds, with a point for decimals, such as 1.5"
            )
        start = round(label.start * sample_rate)
        stop = min(max(round(label.stop * sample_rate), start + 1), num_samples)
        channels = range(num_channels) if label.channel is None else [label.channel]
        gaps += [Event(each, start, stop, label.kind, label.confidence) for each in channels if start < stop]
    return join_events(gaps)


def _read_track(text: str) -> list[Label]:
    labels = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        fields = line.split("\t")
        try:
            start, stop = (float(field) for field in fields[:2])
        except ValueError:
            comma = _COMMA if "," in "".join(fields[:2]) else ""
            raise LabelError(f"line {number} is not START<tab>STOP<tab>NAME{comma}: {line[:40]!r}") from None
        name = _NAME.fullmatch(fields[2].strip()) if len(fields) > 2 else None
        channel, kind, confidence = name.groups() if name else (None, None, None)
        found = (cast(Kind, kind), float(confidence)) if kind and confidence else ()
        labels.append(_checked(Label(start, stop, int(channel) if channel else None, f"line {number}", *found)))
    return labels


def _read_json(text: str) -> list[Label]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise LabelError(f"not JSON: {error}") from None
    if not isinstance(values, list):
        raise LabelError('JSON of gaps must be a list of {"start": seconds, "end": seconds}')
    labels = []
    for number, value in enumerate(values):
        try:
            channel = value.get("channel")
            channel = None if channel is None else int(channel)
            label = Label(float(value["start"]), float(value["end"]), channel, str(value.get("place", f"gap {number}")))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise LabelError(f'gap {number} is not {{"start": seconds, "end": seconds}}: {str(value)[:40]}') from None
        labels.append(_checked(label))
    return labels


def _checked(label: Label) -> Label:
    if not (0 <= label.start <= label.stop and math.isfinite(label.stop)):
        raise LabelError(f"{label.place}: {label.start:g} to {label.stop:g} s does not go from a start to a later end")
    return label
