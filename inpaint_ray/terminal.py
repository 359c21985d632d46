"""Lines for the user, from the driver and Ray's processes; other programs' output can be kept off the terminal.

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
MOST_KEPT = 40_000  # characters of redirected output, the last ones

CLEAR = "\r\x1b[K"  # a terminal's line

_terminal: TextIO | None = None  # the terminal, while stdout is redirected
_replaced = False  # the line that was said last is a bar


def say(text: str, *, end: str = "\n") -> None:
    """Print a line for the user at once; one without a line break is overwritten by the next."""
    global _replaced
    if os.environ.get(WORKER):
        text = MARK + text.replace("\n", f"\n{MARK}")
    print(f"{CLEAR if _replaced else ''}{text}", end=end, file=_stream(), flush=True)
    _replaced = not end


def is_terminal() -> bool:
    """Return True where the lines go to a terminal, so that somebody can watch them."""
    return not os.environ.get(WORKER) and _stream().isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def quiet() -> Iterator["Redirected"]:
    """Redirect the output of other code, native code on stderr included, to a file.

    Yields:
        The redirected stream, with its last lines.
    """
    global _terminal
    streams, native = (sys.stdout, sys.stderr), os.dup(STDERR)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") as file:
        redirected = Redirected(file)
        _terminal, sys.stdout, sys.stderr = streams[0], redirected, redirected
        os.dup2(file.fileno(), STDERR)
        try:
            yield redirected
        finally:
            os.dup2(native, STDERR)
            os.close(native)
            _terminal, sys.stdout, sys.stderr = None, *streams


class Redirected:
    """A text stream that writes lines to a file, but passes lines of `say` in other processes on to the terminal."""

    encoding = "utf-8"

    def __init__(self, file: TextIO) -> None:
        self._file, self._line = file, ""

    def write(self, text: str) -> int:
        """Write text: each whole line to the file or the terminal."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            before, mark, ours = line.partition(MARK)
            if mark:
                say(ours)
            else:
                print(before, file=self._file, flush=True)
        return len(text)

    def flush(self) -> None:
        """Do nothing: lines are written when they are whole."""

    def isatty(self) -> bool:
        """Return False, so that other code draws no bars and no colours."""
        return False

    def fileno(self) -> int:
        """Return the file's descriptor, for processes that other code starts."""
        return self._file.fileno()

    def last(self) -> str:
        """Return the last lines of the redirected output."""
        self._file.seek(0)
        return (self._file.read() + self._line)[-MOST_KEPT:]


def _stream() -> TextIO:
    return _terminal or sys.stdout
