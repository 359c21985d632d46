"""The files of `ray up`, as Ray reads them."""

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.docker import docker_start_cmds
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig

from tests.support.manifests import ROOT

AWS, ONPREM = ROOT / "cluster" / "aws.yaml", ROOT / "cluster" / "onprem.yaml"
LAUNCHER = [AWS, ONPREM]
of_each = pytest.mark.parametrize("path", LAUNCHER, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text())
    assert isinstance(loaded, dict)
    return loaded


def container_of(path: Path, node_type: str) -> str:
    """Return the command with which Ray starts a worker's container (DockerCommandRunner.run_init)."""
    config = prepare_config(copy.deepcopy(load(path)))
    docker = AutoscalingConfig(config, skip_content_hash=True).get_docker_config(node_type)
    options = docker["run_options"] + docker.get("worker_run_options", [])
    image = docker.get("worker_image", docker.get("image"))
    return docker_start_cmds("ubuntu", image, {}, docker["container_name"], options, "inpaint", "/home/ray", "docker")


@of_each
def test_a_launcher_file_is_what_ray_up_reads(path: Path) -> None:
    validate_config(prepare_config(load(path)))
    with pytest.raises(jsonschema.ValidationError):
        validate_config(prepare_config(load(path) | {"head_node_typ": "head"}))


@of_each
def test_every_node_asks_for_the_token(path: Path) -> None:
    loaded = load(path)
    assert "--env RAY_AUTH_MODE=token" in loaded["docker"]["run_options"]
    assert "/home/ray/.ray/auth_token" in loaded["file_mounts"]


@pytest.mark.parametrize(("path", "node_type"), [(AWS, "gpu_spot"), (AWS, "gpu8_spot"), (ONPREM, "local.cluster.node")])
def test_a_container_on_a_node_with_gpus_sees_them(path: Path, node_type: str) -> None:
    """NVIDIA's runtime shows none unless it is told which (its "Specialized Configurations with Docker")."""
    command = container_of(path, node_type)
    assert "--env NVIDIA_VISIBLE_DEVICES=all" in command
    assert "--env NVIDIA_DRIVER_CAPABILITIES=compute,utility" in command
    assert "-cuda" in command


def test_a_container_without_gpus_asks_for_none() -> None:
    command = container_of(AWS, "cpu_spot")
    assert "NVIDIA" not in command and "-cpu" in command
    assert "NVIDIA_VISIBLE_DEVICES=" not in (ROOT / "cluster" / "Dockerfile").read_text()  # a pod would see all
