"""Progress of a job, as a bar on a terminal and a line every few seconds elsewhere, and its list of failures."""

import time
from collections.abc import Iterable

from inpaint_ray.names import printable
from inpaint_ray.terminal import is_terminal, say

LINE_EVERY_S, BAR_EVERY_S = 5.0, 0.2
BAR_WIDTH = 24
LEAST_SHARE, LEAST_S = 0.05, 10.0  # of the work or of the time, after which the time that is left can be told
MOST_LINES = 20  # of failures


class Progress:
    """A progress display: counts items done of a known total, and prints the count now and then."""

    def __init__(self, verb: str, total: int, unit: str, *, done: int = 0) -> None:
        self.verb, self.total, self.unit = verb, total, unit
        self.done = self.done_before = done  # work of an earlier run does not count for the rate
        self.started = self.last_line = time.monotonic()
        self.first: tuple[float, int] | None = None  # time and count of the first result: the rate leaves the start out
        self.as_bar = is_terminal()
        if self.as_bar:
            self.last_line -= BAR_EVERY_S  # people see at once that something is at work

    def add(self, count: int, note: str = "") -> None:
        """Add `count` items as done; the note ends the line."""
        self.done += count
        now = time.monotonic()
        self.first = self.first or (now, self.done)
        over = self.done >= self.total
        if now - self.last_line < (BAR_EVERY_S if self.as_bar else LINE_EVERY_S) and not over:
            return
        self.last_line = now
        line = "  ".join(filter(None, [f"{self.verb}  {self.done}/{self.total} {self.unit}", *self._pace(now), note]))
        if self.as_bar:
            full = BAR_WIDTH * self.done // max(self.total, 1)
            say(f"[{'#' * full}{'.' * (BAR_WIDTH - full)}]  {line}", end="\n" if over else "")
        else:
            say(line)

    def _pace(self, now: float) -> list[str]:
        """Format the rate, and the time left or, at the end, the time taken."""
        spent = now - self.started
        rate = (self.done - self.done_before) / max(spent, 1e-9)
        shown = f"{rate:.1f} {self.unit}/s" if rate >= 1 else f"{60 * rate:.1f} {self.unit}/min"
        if self.done >= self.total:
            return [shown, f"in {format_duration(spent)}"]
        left = self.seconds_left(now)
        return [shown] if left is None else [shown, f"about {format_duration(max(left, 1))} left"]

    def seconds_left(self, now: float) -> float | None:
        """Estimate the time left from the pace since the first item was done; None before that."""
        if self.first is None:
            return None
        spent, done = now - self.first[0], self.done - self.first[1]
        if not done or (spent < LEAST_S and done < LEAST_SHARE * self.total):
            return None
        return spent / done * (self.total - self.done)


def format_duration(seconds: float) -> str:
    """Format seconds: 42s, 3m05s, 2h07m."""
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
