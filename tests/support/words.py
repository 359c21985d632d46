"""The words of the source: docstrings that say what a thing is or does, and no name or word that CONTRIBUTING refuses.

    python -m tests.support.words

Prints each line that breaks a rule, and fails if there is one; `make check` runs it.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("inpaint_ray", "jobs", "benchmarks", "tests", "cluster")
QUESTION = re.compile(r"(What|Who|Whose|Whom|Which|How|Whether|Where|When|Why|That)\b", re.IGNORECASE)
FRAGMENT = re.compile(r"(Of|In|For|With|By|As|At|From|To|On|Over) |\(")  # no verb, and no thing that is named
TABLE_ROW = re.compile(r"^\| (?!word |-)([^|]+)\|[^|]*\|([^|]*)\|$", re.MULTILINE)


def refused_words() -> dict[str, str]:
    """Read the refused words of CONTRIBUTING's table, and the word to use in place of each."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = TABLE_ROW.findall(text)
    return {name: word.strip() for word, refused in rows for name in re.findall(r"`([^`]+)`", refused)}


def check(source: str, refused: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Yield line and fault of docstrings, of texts below fields, and of lines with refused words.

    Args:
        source: of a module.
        refused: word -> the one in place of it.
    """
    for line, text, is_field in _texts(ast.parse(source)):
        first = text.strip().partition("\n")[0]
        if QUESTION.match(first):
            yield line, f"begins with {first.split()[0]}: {first}"
        elif not is_field and FRAGMENT.match(first):
            yield line, f"neither a verb nor a thing: {first}"
    names = re.compile(rf"(?<![\w.\"'/-])({'|'.join(map(re.escape, refused))})(?![\w\"'/-])")
    for number, text in enumerate(source.splitlines(), 1):
        for word in names.findall(text) if refused else ():
            yield number, f"{word}: say {refused[word]}"


def _texts(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Yield line, text and False of each docstring, and True of each text below a field."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for place, statement in enumerate(node.body):
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                if isinstance(text := statement.value.value, str):
                    yield statement.lineno, text, place > 0


def main() -> None:
    refused, num_faults = refused_words(), 0
    if not refused:
        sys.exit("CONTRIBUTING.md: no table of words there")
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for line, fault in check(path.read_text(), refused):
                print(f"{path.relative_to(ROOT)}:{line}: {fault}")
                num_faults += 1
    if num_faults:
        sys.exit(f"{num_faults} faults; CONTRIBUTING.md has the words")


if __name__ == "__main__":
    main()
