"""Progress of a job as log lines with rate and time to go: readable in a terminal and in `ray job logs` alike."""

import time

LINE_EVERY_S = 5.0


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
