"""The other files of cluster/: what travels with a job, the image, the dashboard."""

import importlib.metadata
import json
import re
from functools import cache

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from ray.runtime_env import RuntimeEnv

from cluster.check_torch import CUDA, check
from inpaint_ray.metrics import COUNTERS
from tests.support.documents import code_blocks
from tests.support.manifests import ROOT, load

CLUSTER = ROOT / "cluster"
SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN|(?i:secret|password|token)\w*[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9+/]{16,}"
)
BY_TORCH_FOR_CUDA = ("nvidia-", "cuda-", "triton")  # which torch itself pins


def project_dependencies() -> list[str]:
    text = (ROOT / "pyproject.toml").read_text()
    return re.findall(r'^    "(.+)",$', text.split("\ndependencies = [\n")[1].split("\n]\n")[0], re.MULTILINE)


@cache
def pins() -> dict[str, str]:
    """Read the versions of constraints.txt by name."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


@pytest.mark.parametrize("name", ["runtime_env.yaml", "runtime_env_pip.yaml"])
def test_what_travels_with_a_job_is_what_ray_reads(name: str) -> None:
    RuntimeEnv(**load(CLUSTER / name))


def test_what_travels_by_pip_is_what_the_project_needs() -> None:
    by_pip = load(CLUSTER / "runtime_env_pip.yaml")["pip"]
    own = {str(Requirement(text)) for text in project_dependencies()}
    assert set(by_pip[1:]) == {text.split(">")[0] for text in own if "ray[" not in text}


def test_each_of_the_five_jobs_has_a_recipe() -> None:
    text = "\n".join(code_blocks(CLUSTER / "README.md"))
    assert set(re.findall(r"ray job submit .*?jobs/(\w+)\.py", text)) >= {
        "prepare", "train", "tune", "evaluate", "restore"
    }  # fmt: skip


def test_everything_that_the_image_installs_is_pinned() -> None:
    known, seen = pins(), set()
    waiting = [
        (Requirement(text), extra) for text in project_dependencies() for extra in ("", *Requirement(text).extras)
    ]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen or name.startswith(BY_TORCH_FOR_CUDA):
            continue
        seen.add((name, extra))
        installed = Version(importlib.metadata.version(name)).public  # without the +cpu of some builds
        assert known.get(name) == installed, f"{name} is not as constraints.txt has it"
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed, wanted) for wanted in ("", *needed.extras)]


def test_the_image_is_made_with_the_constraints_by_a_user_who_is_not_root() -> None:
    text = (CLUSTER / "Dockerfile").read_text()
    installs = [part for part in re.split(r"&&|;|\n\n", text.replace("\\\n", " ")) if re.search(r"\bpip install", part)]
    assert len(installs) == 2 and all("-c constraints.txt" in command for command in installs)
    assert re.findall(r"^USER (\w+)", text, re.MULTILINE) == ["ray"]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for name in line.split()}
    assert all(any(name == keep or name.startswith(f"{keep}/") for keep in kept) for name in copied)
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_says_its_base_its_cuda_and_its_driver_and_checks_what_it_can() -> None:
    text = (CLUSTER / "Dockerfile").read_text()
    assert re.search(r"^ARG BASE=python:3\.11\.\d+-slim-bookworm$", text, re.MULTILINE)
    assert 'if [ "$VARIANT" = cuda ]; then apt-get install --yes --no-install-recommends g++' in text
    assert 'python cluster/check_torch.py "$VARIANT"' in text
    for document in (text, (CLUSTER / "README.md").read_text()):
        assert f"CUDA {CUDA['cuda']}" in document and "580" in document


@pytest.mark.skipif(torch.version.cuda is not None, reason="for a torch without CUDA")
def test_an_image_with_another_torch_than_it_says_is_not_built() -> None:
    check("cpu")
    with pytest.raises(SystemExit, match="for CUDA None, cuda needs 13.0"):
        check("cuda")


def test_no_file_holds_a_secret() -> None:
    files = [path for path in CLUSTER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) > 10
    assert SECRET.search("AWS_SECRET_ACCESS_KEY=abcdefghijklmnopqrstuvwx")
    assert {path.name: match.group() for path in files if (match := SECRET.search(path.read_text()))} == {}


def test_the_dashboard_asks_for_our_counters_by_the_names_that_ray_exports() -> None:
    dashboard = json.loads((CLUSTER / "grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for query in queries for name in re.findall(r"ray_inpaint_\w+", query)}
    assert asked == {f"ray_inpaint_{name}_total" for name in COUNTERS}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
