"""The README: its transcript is what its command prints, it is short, and its links lead somewhere."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import DOCUMENTS, ROOT

README = (ROOT / "README.md").read_text()
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def test_the_transcript_is_what_the_command_prints(tmp_path: Path) -> None:
    block = re.search(r"<!-- transcript: .*? -->\n```\n(.*?)```", README, re.DOTALL)
    assert block is not None
    first, command, *printed = block[1].splitlines()
    copy, repair = shlex.split(first.removeprefix("$ ")), shlex.split(command.removeprefix("$ "))
    assert copy[0] == "cp" and repair[:2] == ["inpaint-ray", "repair"]
    shutil.copy(ROOT / copy[1], tmp_path / copy[2])
    ran = subprocess.run(
        [sys.executable, "-m", "inpaint_ray", *repair[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.stderr == "" and ran.returncode == 0
    assert ran.stdout.splitlines() == printed  # no times in it


def test_it_has_at_most_150_lines() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document: Path) -> None:
    for name, heading in LINK.findall(document.read_text()):
        target = document.parent / name if name else document
        assert target.exists(), name
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_its_sounds_are_small_and_add_up() -> None:
    import soundfile

    paths = [ROOT / "docs" / "example" / f"{name}.flac" for name in ("before", "after", "removed")]
    assert all(path.stat().st_size < 300_000 for path in paths)
    before, after, removed = (soundfile.read(path, dtype="int16")[0].astype(int) for path in paths)
    assert (after + removed == before).all() and (removed != 0).any()
