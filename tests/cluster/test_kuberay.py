"""The manifests for KubeRay: valid, and what an operator would sign."""

import copy
import itertools
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cluster.kuberay.write_rayjobs import JOBS, texts
from inpaint_ray.version import VERSION
from tests.support.manifests import (
    KUBERAY,
    MANIFESTS,
    RAYCLUSTER,
    RAYJOBS,
    ROOT,
    Object,
    cluster_spec,
    load,
    load_all,
    pod_templates,
    validate,
)

OWN = [path for path in RAYJOBS if path.parent == KUBERAY]
SHARED = [path for path in RAYJOBS if path.parent != KUBERAY]
GIB = {"Gi": 2**30, "Mi": 2**20}


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.relative_to(KUBERAY).as_posix())


def safeguard(kind: str) -> Object:
    return next(document for document in load_all(KUBERAY / "safeguards.yaml") if document["kind"] == kind)


def bytes_of(quantity: str) -> int:
    return int(quantity[:-2]) * GIB[quantity[-2:]]


def head_of(cluster: Object) -> Object:
    template: Object = cluster["headGroupSpec"]["template"]
    return template


@each(MANIFESTS)
def test_a_manifest_is_what_kuberay_and_kubernetes_read(path: Path) -> None:
    for document in load_all(path):
        validate(document)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("metadata", "nmae"), "inpaint"),
        (("spec", "headGroupSpec", "template", "spec", "containers", 0, "resources", "limit"), {"cpu": "1"}),
        (("spec", "headGroupSpec", "template", "spec", "tolerations"), {"key": "spot"}),
        (("spec", "workerGroupSpecs", 0, "maxReplicas"), "20"),
        (("spec", "workerGroupSpecs", 0, "idleTimeoutSecond"), 60),
        (("spec", "autoscalerOptions", "version"), 2),
        (("spec", "gcsFaultTolerance"), {}),
    ],
)
def test_the_schemas_refuse_a_wrong_field_at_any_depth(place: tuple[str | int, ...], wrong: object) -> None:
    manifest = copy.deepcopy(load(RAYCLUSTER))
    part: Any = manifest
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = wrong
    with pytest.raises(jsonschema.ValidationError):
        validate(manifest)


def test_the_rayjobs_are_as_they_would_be_written_now() -> None:
    written = {path.relative_to(KUBERAY).as_posix(): path.read_text() for path in RAYJOBS}
    assert written == texts()
    assert len(written) == 2 * len(JOBS) == 10


@each(OWN)
def test_a_driver_that_dies_is_run_again_on_another_cluster(path: Path) -> None:
    spec = load(path)["spec"]
    assert spec["backoffLimit"] >= 1 and spec["activeDeadlineSeconds"] >= 24 * 3600
    assert spec["shutdownAfterJobFinishes"] and spec["ttlSecondsAfterFinished"] > 0
    assert spec["rayClusterSpec"]["workerGroupSpecs"]
    assert "gcsFaultToleranceOptions" not in spec["rayClusterSpec"]  # each attempt begins anew; no Redis is needed


@each(SHARED)
def test_a_job_on_the_shared_cluster_asks_for_nothing_that_kuberay_refuses_there(path: Path) -> None:
    spec = load(path)["spec"]
    assert spec["clusterSelector"] == {"ray.io/cluster": load(RAYCLUSTER)["metadata"]["name"]}
    assert set(spec) == {"entrypoint", "submitterPodTemplate", "clusterSelector"}  # no backoffLimit, no shutdown


@each([RAYCLUSTER, *OWN])
def test_the_head_has_no_work_and_nobody_takes_it_away(path: Path) -> None:
    cluster = cluster_spec(load(path))
    assert cluster is not None
    head = head_of(cluster)
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert head["metadata"]["annotations"] == {
        "karpenter.sh/do-not-disrupt": "true",
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    }
    assert head["spec"]["priorityClassName"] == safeguard("PriorityClass")["metadata"]["name"]
    budget = safeguard("PodDisruptionBudget")["spec"]
    labels = head["metadata"]["labels"] | {"ray.io/node-type": "head"}  # which KubeRay adds
    assert budget["selector"]["matchLabels"].items() <= labels.items() and budget["minAvailable"] > 100
    asked = head["spec"]["containers"][0]["resources"]
    assert "ephemeral-storage" in asked["requests"] and "ephemeral-storage" in asked["limits"]


@each([RAYCLUSTER, *OWN])
def test_workers_are_on_spot_nodes_and_the_head_is_not(path: Path) -> None:
    cluster = cluster_spec(load(path))
    assert cluster is not None
    head = head_of(cluster)["spec"]
    required = head["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (term,) = required["nodeSelectorTerms"]
    refused = {(rule["key"], value) for rule in term["matchExpressions"] for value in rule["values"]}
    assert {rule["operator"] for rule in term["matchExpressions"]} == {"NotIn"}
    assert "tolerations" not in head
    for group in cluster["workerGroupSpecs"]:
        pod = group["template"]["spec"]
        assert pod["nodeSelector"].items() <= refused  # spot, as the head's rules have it
        assert {(rule["key"], rule.get("value")) for rule in pod["tolerations"]} & refused


@each([RAYCLUSTER, *OWN])
def test_the_autoscaler_has_memory_for_its_nodes_and_each_group_its_own_patience(path: Path) -> None:
    cluster = cluster_spec(load(path))
    assert cluster is not None
    assert bytes_of(cluster["autoscalerOptions"]["resources"]["limits"]["memory"]) >= 2 * 2**30
    assert all(group["idleTimeoutSeconds"] >= 60 for group in cluster["workerGroupSpecs"])


@each([RAYCLUSTER, *RAYJOBS])
def test_a_namespace_that_enforces_the_restricted_standard_takes_every_pod(path: Path) -> None:
    """Every rule of https://kubernetes.io/docs/concepts/security/pod-security-standards for Linux pods."""
    allowed_volumes = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "secret"}
    for template in pod_templates(load(path)):
        pod = template["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
        assert all(set(volume) - {"name"} <= allowed_volumes for volume in pod.get("volumes", []))
        of_pod = pod.get("securityContext", {})
        assert not of_pod.keys() & {"sysctls", "appArmorProfile", "seLinuxOptions"}
        for container in pod["containers"]:
            own = container.get("securityContext", {})
            security = of_pod | own
            assert security.get("runAsNonRoot") is True and security.get("runAsUser") != 0, container["name"]
            assert security.get("seccompProfile") == {"type": "RuntimeDefault"}, container["name"]
            assert own.get("allowPrivilegeEscalation") is False, container["name"]
            assert own.get("capabilities") == {"drop": ["ALL"]}, container["name"]
            assert not own.keys() & {"privileged", "procMount"}
            assert all("hostPort" not in port for port in container.get("ports", []))


@each([RAYCLUSTER, *RAYJOBS])
def test_the_ports_of_every_pod_are_for_its_like_the_operator_and_prometheus_alone(path: Path) -> None:
    policy = safeguard("NetworkPolicy")["spec"]
    ours = policy["podSelector"]["matchLabels"]
    for template in pod_templates(load(path)):
        assert ours.items() <= template["metadata"]["labels"].items()
    own, operator, prometheus = policy["ingress"]
    assert policy["policyTypes"] == ["Ingress"]
    assert own == {"from": [{"podSelector": {"matchLabels": ours}}]}
    assert [port["port"] for port in operator["ports"]] == [8265]
    assert [port["port"] for port in prometheus["ports"]] == [8080, 44217, 44227]
    assert all(rule["from"] for rule in policy["ingress"])  # without, it would be everybody


@each([RAYCLUSTER, *OWN])
def test_images_carry_their_version_and_cuda_where_there_are_gpus_alone(path: Path) -> None:
    cluster = cluster_spec(load(path))
    assert cluster is not None
    for template in pod_templates(load(path)):
        for container in template["spec"]["containers"]:
            gpus = container.get("resources", {}).get("limits", {}).get("nvidia.com/gpu", "0")
            wanted = f"REGISTRY/inpaint-ray:{VERSION}-{'cuda' if gpus != '0' else 'cpu'}"
            assert container.get("image", wanted) == wanted  # the autoscaler has the head's


def test_every_tag_of_an_image_in_the_documents_is_of_this_version() -> None:
    texts = [path.read_text() for path in (ROOT / "cluster").rglob("*") if path.suffix in (".yaml", ".md")]
    tags = set(itertools.chain.from_iterable(re.findall(r"inpaint-ray:([\w.-]+)", text) for text in texts))
    assert tags == {f"{VERSION}-cpu", f"{VERSION}-cuda"}


@each([RAYCLUSTER, *OWN])
def test_shared_memory_and_cache_leave_most_of_a_pods_memory_to_its_processes(path: Path) -> None:
    """A cache in /dev/shm would take the object store's space; the pod's disk has a limit that a cache cannot see."""
    cluster = cluster_spec(load(path))
    assert cluster is not None
    for group in cluster["workerGroupSpecs"]:
        pod = group["template"]["spec"]
        memory = bytes_of(pod["containers"][0]["resources"]["limits"]["memory"])
        cache = sum(bytes_of(volume["emptyDir"]["sizeLimit"]) for volume in pod.get("volumes", []))
        store = int(group["rayStartParams"].get("object-store-memory", 0.3 * memory))  # Ray's own share
        assert cache + store < memory / 2
    flags = load(path)["spec"].get("entrypoint", "")
    for folder in re.findall(r"--cache (\S+)", flags):
        for group in cluster["workerGroupSpecs"]:
            (mount,) = group["template"]["spec"]["containers"][0]["volumeMounts"]
            (volume,) = group["template"]["spec"]["volumes"]
            assert (mount["mountPath"], mount["name"]) == (folder, volume["name"])
            assert volume["emptyDir"]["medium"] == "Memory"  # a file system of its own, which tells its size


@each([RAYCLUSTER, *OWN])
def test_a_cluster_asks_for_the_token(path: Path) -> None:
    cluster = cluster_spec(load(path))
    assert cluster is not None and cluster["authOptions"] == {"mode": "token"}
