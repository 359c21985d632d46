"""Lines of a job, for a terminal and `ray job logs` alike: progress with rate and time to go, and failures."""

import time
from collections.abc import Iterable

from inpaint_ray.names import printable

LINE_EVERY_S = 5.0
MOST_LINES = 20  # of failures


class Progress:
    """Counts what is done of a known total and prints a line now and then."""

    def __init__(self, verb: str, total: int, unit: str, *, done: int = 0) -> None:
        self.verb, self.total, self.unit = verb, total, unit
        self.done = self.done_before = done  # what an earlier run did does not count for the rate
        self.started = self.last_line = time.monotonic()

    def add(self, count: int, note: str = "") -> None:
        """Say that `count` more are done; the note ends the line."""
        self.done += count
        now = time.monotonic()
        if now - self.last_line < LINE_EVERY_S and self.done < self.total:
            return
        self.last_line = now
        rate = (self.done - self.done_before) / max(now - self.started, 1e-9)
        left = format_duration((self.total - self.done) / rate) if rate else "?"
        line = f"{self.verb}  {self.done}/{self.total} {self.unit}  {rate:.1f} {self.unit}/s  {left} left  {note}"
        print(line.rstrip(), flush=True)


def format_duration(seconds: float) -> str:
    """Seconds for people: 42s, 3m05s, 2h07m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def failure_lines(failures: Iterable[tuple[str, str]], total: int, rest: str) -> str:
    """Format failures for a job's last lines, the first twenty.

    Args:
        failures: names and reasons; no more than are shown need be given.
        total: how many there are.
        rest: what has the others.
    """
    shown = [f"  failed  {printable(name)}: {reason}" for name, reason in list(failures)[:MOST_LINES]]
    return "\n".join([*shown, *([f"  and {total - len(shown)} more; {rest}"] if total > len(shown) else [])])
