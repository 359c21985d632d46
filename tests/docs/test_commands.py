"""Every command in the documents is parsed by the parser of what it calls; those that take no time are run."""

import argparse
import importlib
import subprocess
import sys
from typing import Any, NoReturn

import pytest

from inpaint_ray.command_line import parse
from inpaint_ray.commands import COMMANDS
from tests.support.documents import DOCUMENTS, ROOT, Said, find_jobs, joined, said_benchmarks, said_jobs
from tests.support.manifests import RAYJOBS, load


class Parsed(Exception):
    """Parsing has succeeded; the rest of the program is not run."""


def all_jobs() -> list[Said]:
    """Return each command of the documents, of the jobs' own usage lines and of the manifests once."""
    texts = {f"jobs/{path.name}": path.read_text().split('"""')[1] for path in sorted((ROOT / "jobs").glob("*.py"))}
    texts |= {path.name: load(path)["spec"].get("entrypoint", "") for path in RAYJOBS}
    texts["commands.py"] = "\n".join(f"inpaint-ray {command.name} {command.example}" for command in COMMANDS.values())
    told = [said for place, text in texts.items() for said in find_jobs(joined(text), place)]
    return [
        said for said in dict.fromkeys([*said_jobs(), *told]) if "--help" not in said.flags and said.name in COMMANDS
    ]


@pytest.mark.parametrize("said", all_jobs(), ids=str)
def test_every_job_in_the_documents_is_one_that_is_there(said: Said) -> None:
    settings = COMMANDS[said.name].load_settings()
    assert isinstance(parse(settings, said.arguments, None), settings)


@pytest.mark.parametrize("said", list(dict.fromkeys(said_benchmarks())), ids=str)
def test_every_benchmark_in_the_documents_takes_its_flags(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    parse_all = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *given: Any) -> NoReturn:
        parse_all(parser, *given)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.setattr(sys, "argv", [said.name, *said.arguments])
    with pytest.raises(Parsed):
        importlib.import_module(said.name).main()


def test_no_document_names_a_command_that_is_not_there() -> None:
    names = {said.name for said in said_jobs()} - {"completion", "demo"}
    assert names <= set(COMMANDS), names - set(COMMANDS)


@pytest.mark.parametrize("arguments", [["--help"], [], ["completion", "bash"], ["repair", "--help"]], ids=" ".join)
def test_quick_ones_run(arguments: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "inpaint_ray", *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert (ran.returncode, ran.stderr) == (0, "") and "repair" in ran.stdout


def test_documents_are_looked_at() -> None:
    assert len(DOCUMENTS) > 20
    assert len(said_jobs()) > 50 and len(said_benchmarks()) > 20
