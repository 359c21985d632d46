"""The files of cluster/ against the schemas of those who read them, and every documented command against its job."""

import importlib.metadata
import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate.utils
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.runtime_env import RuntimeEnv
from referencing import Registry, Resource

from inpaint_ray.command_line import parse
from inpaint_ray.data.config import PrepareConfig
from inpaint_ray.data.stage import StageConfig
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.metrics import COUNTERS
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.undo import UndoConfig
from inpaint_ray.train.config import TrainConfig
from inpaint_ray.tune.config import TuneConfig

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "cluster"
KUBERAY = sorted(CLUSTER.glob("kuberay/*.yaml"))
LAUNCHER = [CLUSTER / "aws.yaml", CLUSTER / "onprem.yaml"]
KUBERNETES_DEFINITIONS = "kubernetes-json-schema/v1.34.0-local-strict/_definitions.json"
CONFIGS = {
    "prepare": PrepareConfig,
    "train": TrainConfig,
    "tune": TuneConfig,
    "evaluate": EvaluateConfig,
    "restore": RestoreConfig,
    "stage_fma": StageConfig,
    "undo": UndoConfig,
}
COMMAND = re.compile(r"python (?:/app/)?jobs/(\w+)\.py\b([^\n#]*)")
SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN|(?i:secret|password|token)\w*[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9+/]{16,}"
)
BY_TORCH_FOR_CUDA = ("nvidia-", "cuda-", "triton")  # which torch itself pins


def load(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text())
    assert isinstance(loaded, dict)
    return loaded


@cache
def kuberay_validator() -> jsonschema.Draft202012Validator:
    """Of KubeRay's fields, with Kubernetes' own definitions for what they hold."""
    definitions = kubernetes_validate.utils.schema_contents(KUBERNETES_DEFINITIONS, "1.34")
    registry: Registry[Any] = Resource.from_contents(definitions) @ Registry()
    schema = json.loads((ROOT / "tests" / "schemas" / "kuberay.json").read_text())
    return jsonschema.Draft202012Validator(schema, registry=registry)


def code_blocks(path: Path, language: str | None = None) -> list[str]:
    """Of a document; of one language, or all."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return [text for name, text in blocks if language in (None, name)]


def project_dependencies() -> list[str]:
    text = (ROOT / "pyproject.toml").read_text()
    return re.findall(r'^    "(.+)",$', text.split("\ndependencies = [\n")[1].split("\n]\n")[0], re.MULTILINE)


@cache
def pins() -> dict[str, str]:
    """Of constraints.txt: name -> version."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def test_there_is_a_manifest_for_the_cluster_and_for_each_of_the_five_jobs() -> None:
    jobs = {f"rayjob-{name}.yaml" for name in ("prepare", "train", "tune", "evaluate", "restore")}
    assert {path.name for path in KUBERAY} == jobs | {"raycluster.yaml"}


@pytest.mark.parametrize("path", KUBERAY, ids=lambda path: path.name)
def test_a_manifest_is_what_kuberay_and_kubernetes_read(path: Path) -> None:
    kuberay_validator().validate(load(path))


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("spec", "headGroupSpec", "template", "spec", "containers", 0, "resources", "limit"), {"cpu": "1"}),
        (("spec", "headGroupSpec", "template", "spec", "tolerations"), {"key": "spot"}),
        (("spec", "workerGroupSpecs", 0, "maxReplicas"), "20"),
        (("spec", "autoscalerOptions", "version"), 2),
        (("spec", "gcsFaultTolerance"), {}),
    ],
)
def test_the_schemas_refuse_a_wrong_field_at_any_depth(place: tuple[str | int, ...], wrong: object) -> None:
    manifest = json.loads(json.dumps(load(CLUSTER / "kuberay" / "raycluster.yaml")))
    part: Any = manifest
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = wrong
    with pytest.raises(jsonschema.ValidationError):
        kuberay_validator().validate(manifest)


def test_the_head_has_no_work_and_workers_are_on_spot_nodes() -> None:
    spec = load(CLUSTER / "kuberay" / "raycluster.yaml")["spec"]
    assert spec["rayVersion"] == pins()["ray"]
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert "tolerations" not in spec["headGroupSpec"]["template"]["spec"]
    for group in spec["workerGroupSpecs"]:
        pod = group["template"]["spec"]
        assert "spot" in {toleration.get("value") for toleration in pod["tolerations"]}
        wanted = "1" if group["groupName"].startswith("gpu") else None
        assert pod["containers"][0]["resources"]["limits"].get("nvidia.com/gpu") == wanted


@pytest.mark.parametrize("path", LAUNCHER, ids=lambda path: path.name)
def test_a_launcher_file_is_what_ray_up_reads(path: Path) -> None:
    validate_config(prepare_config(load(path)))
    with pytest.raises(jsonschema.ValidationError):
        validate_config(prepare_config(load(path) | {"head_node_typ": "head"}))


@pytest.mark.parametrize("path", [CLUSTER / "kuberay" / "raycluster.yaml", *LAUNCHER], ids=lambda path: path.name)
def test_a_cluster_asks_for_the_token(path: Path) -> None:
    loaded = load(path)
    if path in LAUNCHER:
        assert "--env RAY_AUTH_MODE=token" in loaded["docker"]["run_options"]
        assert "/home/ray/.ray/auth_token" in loaded["file_mounts"]
    else:
        assert loaded["spec"]["authOptions"] == {"mode": "token"}


def test_what_travels_with_a_job_is_what_ray_reads() -> None:
    RuntimeEnv(**load(CLUSTER / "runtime_env.yaml"))
    for block in code_blocks(CLUSTER / "README.md", "yaml"):
        RuntimeEnv(**yaml.safe_load(block))


def test_what_travels_by_pip_is_what_the_project_needs() -> None:
    by_pip = [yaml.safe_load(block)["pip"] for block in code_blocks(CLUSTER / "README.md", "yaml") if "pip:" in block]
    own = {str(Requirement(text)) for text in project_dependencies()}
    assert [set(packages[1:]) for packages in by_pip] == [{text.split(">")[0] for text in own if "ray[" not in text}]


def commands() -> list[tuple[str, str]]:
    """Every (job, flags) of the documents, of the jobs' own usage lines and of the manifests."""
    texts = [block for name in ("README.md", "cluster/README.md") for block in code_blocks(ROOT / name)]
    texts += [(ROOT / "jobs" / f"{job}.py").read_text().split('"""')[1] for job in CONFIGS]
    texts += [load(path)["spec"].get("entrypoint", "") for path in KUBERAY]
    joined = [re.sub(r"\\\n\s*", "", text) for text in texts]
    found = [match.groups() for text in joined for match in COMMAND.finditer(text)]
    return [(job, flags) for job, flags in dict.fromkeys(found) if "--help" not in flags and job in CONFIGS]


@pytest.mark.parametrize(("job", "flags"), commands(), ids=lambda text: text.strip() or "none")
def test_every_documented_command_is_one_that_its_job_takes(job: str, flags: str) -> None:
    assert isinstance(parse(CONFIGS[job], shlex.split(flags), None), CONFIGS[job])


def test_each_of_the_five_jobs_has_a_recipe() -> None:
    text = "\n".join(code_blocks(CLUSTER / "README.md"))
    assert set(re.findall(r"ray job submit .*?jobs/(\w+)\.py", text.replace("\\\n", ""))) >= {
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
