"""The documents for people, and the commands in them."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "cluster/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "inpaint_ray").rglob("README.md")),
]
JOB = re.compile(r"(?:python (?:/app/)?jobs/(?=\w+\.py)|inpaint-ray (?!-))([\w-]+)(?:\.py)?\b([^\n#]*)")
BENCHMARK = re.compile(r"\bpython -m (benchmarks\.\w+)([^\n#]*)")


@dataclass(frozen=True)
class Said:
    """A command as a document says it."""

    name: str
    flags: str
    place: str = field(compare=False)

    @property
    def arguments(self) -> list[str]:
        return shlex.split(self.flags)

    def __str__(self) -> str:
        return f"{self.place}: {self.name} {self.flags.strip()}"


def code_blocks(path: Path) -> list[str]:
    """Return the blocks of code of a document, fenced or indented, a line each command."""
    text = path.read_text()
    fenced = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(
        r"(?:^    .+\n)+", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return [joined(block) for block in (*fenced, *indented)]


def joined(text: str) -> str:
    """Return a text with its continued lines joined."""
    return re.sub(r"\\\n\s*", "", text)


def inline_code(path: Path) -> list[str]:
    """Return what a document's sentences have between backquotes, without their line breaks."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]


def find_jobs(text: str, place: str) -> list[Said]:
    """Return the commands of `inpaint-ray` and jobs/ in a text without continued lines."""
    return [Said(name.replace("_", "-"), flags, place) for name, flags in JOB.findall(text)]


def said_jobs() -> list[Said]:
    """Return the commands of `inpaint-ray` and jobs/ in all documents' blocks of code."""
    return [
        said
        for path in DOCUMENTS
        for block in code_blocks(path)
        for said in find_jobs(block, str(path.relative_to(ROOT)))
    ]


def said_benchmarks() -> list[Said]:
    """Return the commands `python -m benchmarks.NAME` in all documents, in blocks and within sentences."""
    return [
        Said(name, flags, str(path.relative_to(ROOT)))
        for path in DOCUMENTS
        for code in (*code_blocks(path), *inline_code(path))
        for name, flags in BENCHMARK.findall(code)
    ]
