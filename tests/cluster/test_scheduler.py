"""Nodes that Ray's autoscaler would add to the clusters of cluster/, by its own scheduler, without processes."""

from pathlib import Path

import pytest
import ray.data
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.autoscaler_pb2 import GangResourceRequest
from ray.core.generated.common_pb2 import LabelSelectorOperator

from inpaint_ray.ledger.placement import NODE_LABEL, node_selector, place
from inpaint_ray.train.capacity import resources_of_worker
from inpaint_ray.train.config import Workers
from tests.support.manifests import RAYCLUSTER, ROOT, load


def added(bundle: dict[str, float], count: int, *, use_gpu: bool, gang: bool = False) -> dict[str, int]:
    """Return the nodes by group that an empty cluster adds for processes of our jobs, asked for singly or as a gang."""
    manifest = load(RAYCLUSTER)
    manifest["metadata"]["namespace"] = "default"
    config = AutoscalingConfig(_derive_autoscaling_config_from_ray_cr(manifest), skip_content_hash=True)
    selector = [
        (key, LabelSelectorOperator.LABEL_OPERATOR_NOT_IN, [value.removeprefix("!")])
        for key, value in (node_selector(use_gpu=use_gpu) or {}).items()
    ]
    requests = [ResourceRequestUtil.make(bundle, None, [selector] if selector else None)] * count
    reply = ResourceDemandScheduler().schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=config.get_node_type_configs(),
            max_num_nodes=config.get_max_num_nodes(),
            resource_requests=[] if gang else ResourceRequestUtil.group_by_count(requests),
            gang_resource_requests=[GangResourceRequest(requests=requests)] if gang else [],
        )
    )
    return {launch.instance_type: launch.count for launch in reply.to_launch}


@pytest.mark.parametrize("bundle", [{"CPU": 1.0}, {"CPU": 1.0, "memory": 2.0**29}], ids=["prepare", "restore"])
def test_three_hundred_tasks_that_wait_for_cpus_buy_no_gpu(bundle: dict[str, float]) -> None:
    assert added(bundle, 300, use_gpu=False) == {"cpu-spot": 20}  # all that there may be
    assert len(added(bundle, 300, use_gpu=True)) > 1  # without the selector it would


def test_actors_with_a_gpu_each_and_single_trials_take_nodes_of_one() -> None:
    assert added({"CPU": 1.0, "GPU": 1.0, "memory": 2.0**29}, 4, use_gpu=True) == {"gpu-spot": 4}
    assert added(resources_of_worker(Workers(use_gpu=True)), 1, use_gpu=True, gang=True) == {"gpu-spot": 1}


def test_the_workers_of_a_training_meet_in_one_node_of_eight() -> None:
    of_worker = resources_of_worker(Workers(num_workers=8, use_gpu=True))
    assert added(of_worker, 8, use_gpu=True, gang=True) == {"gpu8-spot": 1}
    assert added(of_worker, 5, use_gpu=True, gang=True) == {"gpu8-spot": 1}


@pytest.mark.ray
def test_a_dataset_carries_the_selector_unless_each_process_uses_a_gpu(local_ray: None) -> None:
    rows = ray.data.from_items([0])
    assert place(rows).context.execution_options.label_selector == {NODE_LABEL: "!gpu"}
    assert place(rows, use_gpu=True).context.execution_options.label_selector is None
    assert ray.data.DataContext.get_current().execution_options.label_selector is None  # others' are as they were


def test_every_dataset_of_a_job_is_placed() -> None:
    texts = {path: path.read_text() for path in (ROOT / "inpaint_ray").rglob("*.py")}
    made = {path: text.count("ray.data.from_items(") for path, text in texts.items()}
    assert [path.name for path in made if made[path]] == ["spread.py"]  # the ledger alone makes them
    assert all(texts[path].count(" place(") == made[path] == 2 for path in made if made[path])


@pytest.mark.parametrize("path", [RAYCLUSTER, ROOT / "cluster" / "aws.yaml"], ids=lambda path: path.name)
def test_nodes_with_gpus_and_no_others_have_the_label(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    if path == RAYCLUSTER:
        groups = {group["groupName"]: group.get("labels", {}) for group in config["spec"]["workerGroupSpecs"]}
    else:
        groups = {name: node.get("labels", {}) for name, node in config["available_node_types"].items()}
    assert len(groups) >= 3
    assert {name for name, labels in groups.items() if labels == {NODE_LABEL: "gpu"}} == {
        name for name in groups if name.startswith("gpu")
    }
