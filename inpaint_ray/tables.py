"""Tables that align in a terminal and are Markdown at the same time."""

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right; a line each, the last one ended too."""
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_join(header, widths), _join(rule, widths), *(_join(row, widths) for row in rows)]
    return "\n".join(lines) + "\n"


def _join(cells: Sequence[str], widths: list[int]) -> str:
    aligned = [cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]
    return "| " + " | ".join(aligned) + " |"
