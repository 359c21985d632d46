"""The check of words: the source passes it, and faults of every kind do not."""

import pytest

from tests.support.words import check, main, refused_words

WHOLE = '"""The cost of a loop."""\n\n\nclass A:\n    """A loop."""\n\n    size: int = 0\n    """Turns."""\n'


def test_the_source_passes(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("The cost", "What it costs", 1),
        ("A loop", "How many there are", 5),
        ("A loop", "In a loop", 5),
        ("A loop", "(n,) numbers", 5),
        ("Turns", "Which turns", 8),
        ("size", "await_room", 7),
        ("A loop", "The feed", 5),
    ],
)
def test_a_fault_is_found_in_its_line(before: str, after: str, line: int) -> None:
    refused = refused_words()
    assert not list(check(WHOLE, refused))
    ((found, _),) = check(WHOLE.replace(before, after), refused)
    assert found == line


def test_the_list_names_the_word_to_use() -> None:
    refused = refused_words()
    assert refused["feed"] == "data loader" and refused["await_room"] == "capacity" and len(refused) > 10
