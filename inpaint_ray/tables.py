"""Tables that align in a terminal and are Markdown at the same time."""

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, num_left: int = 1) -> str:
    """Align the first `num_left` columns to the left, the others to the right; each line ends with a line break.

    What would end a cell, a bar or a line break in a file's or a genre's name, is escaped.
    """
    header, *rows = [[_escape(cell) for cell in line] for line in (header, *rows)]
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    rule = ["-" * width if column < num_left else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "".join(_join(line, widths, num_left) + "\n" for line in (header, rule, *rows))


def _escape(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").splitlines())


def _join(cells: Sequence[str], widths: list[int], num_left: int) -> str:
    aligned = [
        cell.ljust(width) if column < num_left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(aligned) + " |"
