"""Tables and durations for people."""

from inpaint_ray.progress import format_duration
from inpaint_ray.tables import markdown_table


def test_columns_align_and_the_rule_is_markdown() -> None:
    assert markdown_table(["name", "dB"], [["a", "1.25"], ["longer", "10.00"]]) == (
        "| name   |    dB |\n| ------ | ----: |\n| a      |  1.25 |\n| longer | 10.00 |\n"
    )


def test_names_with_bars_and_line_breaks_stay_in_their_cells() -> None:
    lines = markdown_table(["name", "dB"], [["a|b", "1"], ["c\nd", "2"]]).splitlines()
    assert lines[2:] == ["| a\\|b |  1 |", "| c d  |  2 |"]


def test_durations_are_short() -> None:
    assert [format_duration(s) for s in (0.4, 59.4, 185, 7_620)] == ["0s", "59s", "3m05s", "2h07m"]
