"""The table of architectures: what it counts, what it says, and that the document's is the same."""

from pathlib import Path

import pytest
import torch

from inpaint_ray.models.__main__ import main
from inpaint_ray.models.registry import ARCHITECTURES, build_model
from inpaint_ray.models.table import architecture_table, count_multiply_adds, special

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "architectures.md"
PIXELS = 128 * 128


def test_the_table_of_the_document_is_the_one_of_the_registry() -> None:
    text = DOCUMENT.read_text()
    before, after = "<!-- made by: python -m inpaint_ray.models -->\n", "<!-- end of architectures -->"
    assert text[text.index(before) + len(before) : text.index(after)] == architecture_table()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ResNet", (9 * 64 + 18 * 9 * 64 * 64 + 9 * 64) * PIXELS),
        ("SE_ResNet", (9 * 64 + 18 * 9 * 64 * 64 + 9 * 64) * PIXELS + 9 * 2 * 32 * 64),
        ("FastARCNN", (81 * 64 + 64 * 32 + 49 * 32 * 32 + 32 * 16 + 25 * 16) * PIXELS),
    ],
)
def test_multiply_adds_are_those_of_the_layers(name: str, expected: int) -> None:
    with torch.device("meta"):
        assert count_multiply_adds(build_model(name)) == expected


def test_words_tell_every_two_architectures_of_a_family_apart() -> None:
    said = {(entry.family, special(entry)) for entry in ARCHITECTURES.values()}
    assert len(said) == len(ARCHITECTURES)


def test_an_unknown_flag_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--tme"])
    assert stopped.value.code == 2
    assert "python -m inpaint_ray.models --time" in capsys.readouterr().err
