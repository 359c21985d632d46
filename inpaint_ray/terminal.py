"""Lines for people, in the driver and in Ray's processes; what anybody else prints can be kept back until it matters.

Ray and its libraries print dozens of lines a job. `quiet` puts them into a file; lines of `say` pass, also those that
Ray forwards from other processes, which begin with a mark.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

MARK = "\x1e"  # record separator: before a line of ours that another process says
STDERR = 2
WORKER = "INPAINT_RAY_WORKER"  # in the environment of processes whose output Ray forwards
MOST_SHOWN = 40_000  # characters of what others printed, the last ones

CLEAR = "\r\x1b[K"  # a terminal's line

_shown: TextIO | None = None  # the terminal, while others are kept back
_replaced = False  # the line that was said last is a bar


def say(text: str, *, end: str = "\n") -> None:
    """Print lines for people, at once; a line without an end is one that the next takes the place of."""
    global _replaced
    if os.environ.get(WORKER):
        text = MARK + text.replace("\n", f"\n{MARK}")
    print(f"{CLEAR if _replaced else ''}{text}", end=end, file=_stream(), flush=True)
    _replaced = not end


def is_terminal() -> bool:
    """Tell whether people look at the lines while they come."""
    return not os.environ.get(WORKER) and _stream().isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def quiet() -> Iterator["Others"]:
    """Keep back what others print to stdout and stderr, native code that writes to the latter by itself included.

    Yields:
        What was kept back so far.
    """
    global _shown
    streams, native = (sys.stdout, sys.stderr), os.dup(STDERR)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") as file:
        others = Others(file)
        _shown, sys.stdout, sys.stderr = streams[0], others, others
        os.dup2(file.fileno(), STDERR)
        try:
            yield others
        finally:
            os.dup2(native, STDERR)
            os.close(native)
            _shown, sys.stdout, sys.stderr = None, *streams


class Others:
    """A text stream that keeps lines in a file, and lets those of `say` from other processes pass to the terminal."""

    encoding = "utf-8"

    def __init__(self, file: TextIO) -> None:
        self._file, self._line = file, ""

    def write(self, text: str) -> int:
        """Take text; whole lines are looked at."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            before, mark, ours = line.partition(MARK)
            if mark:
                say(ours)
            else:
                print(before, file=self._file, flush=True)
        return len(text)

    def flush(self) -> None:
        """Do nothing: lines are looked at when they are whole."""

    def isatty(self) -> bool:
        """Tell others that nobody looks, so that they draw no bars and no colours."""
        return False

    def fileno(self) -> int:
        """Give processes that others start the file."""
        return self._file.fileno()

    def last(self) -> str:
        """Return the end of what was kept back."""
        self._file.seek(0)
        return (self._file.read() + self._line)[-MOST_SHOWN:]


def _stream() -> TextIO:
    return _shown or sys.stdout
