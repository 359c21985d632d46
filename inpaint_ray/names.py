r"""Conversion of file names to text that Parquet, JSON and pages can hold, and back.

POSIX allows every byte but 0 and "/" in a name. A byte that is not UTF-8 is written as \xNN, in hexadecimal;
a backslash that would read like the beginning of one is written as \x5c. Every other name is its own text.
"""

import os
import re
from pathlib import PurePosixPath

LONGEST = 255  # bytes of a name, on every common file system

_FOREIGN = re.compile(r"[\udc80-\udcff]|\\(?=x(?:5c|[89a-f][0-9a-f]))")
_ESCAPE = re.compile(r"\\x(5c|[89a-f][0-9a-f])")


def to_text(path: str) -> str:
    """Convert a path, which the operating system may give in any bytes, to text that UTF-8 can encode."""
    return _FOREIGN.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", path)


def to_path(text: str) -> str:
    """Convert text of `to_text` back to the path."""
    return _ESCAPE.sub(lambda found: os.fsdecode(bytes.fromhex(found[1])), text)


def printable(name: str) -> str:
    """Return a name fit for one line of a terminal or a page: control characters as escapes."""
    shown = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
    return "".join(shown)


def one_line(message: str) -> str:
    """Return what an error says, which may quote a path, as one line of text."""
    return " ".join(message.split()).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def safe_name(name: str) -> str:
    """Return a relative name if it stays below the folder that it is joined to.

    Raises:
        ValueError: the name is absolute, or climbs out with "..".
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise ValueError(f"name {printable(name)!r} would lead out of the output folder")
    return name
