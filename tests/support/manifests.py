"""The manifests of cluster/kuberay, and the schemas of those who read them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate.utils
import yaml
from referencing import Registry, Resource

ROOT = Path(__file__).resolve().parents[2]
KUBERAY = ROOT / "cluster" / "kuberay"
RAYCLUSTER = KUBERAY / "raycluster.yaml"
RAYJOBS = sorted(KUBERAY.rglob("rayjob-*.yaml"))
MANIFESTS = [RAYCLUSTER, KUBERAY / "safeguards.yaml", *RAYJOBS]
DEFINITIONS = "kubernetes-json-schema/v1.34.0-local-strict/_definitions.json"
OF_KUBERNETES = {
    "PriorityClass": "io.k8s.api.scheduling.v1.PriorityClass",
    "PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
    "NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
}

Object = dict[str, Any]


def load(path: Path) -> Object:
    """Return the only document of a file."""
    (loaded,) = load_all(path)
    return loaded


def load_all(path: Path) -> list[Object]:
    """Return a file's documents."""
    return list(yaml.safe_load_all(path.read_text()))


def validate(manifest: Object) -> None:
    """Check a manifest strictly: an unknown field is an error.

    Raises:
        jsonschema.ValidationError: names the field.
    """
    _validator(manifest["kind"]).validate(manifest)


@cache
def _validator(kind: str) -> jsonschema.Draft202012Validator:
    definitions = kubernetes_validate.utils.schema_contents(DEFINITIONS, "1.34")
    registry: Registry[Any] = Resource.from_contents(definitions) @ Registry()
    if kind in OF_KUBERNETES:
        return jsonschema.Draft202012Validator(_of_kubernetes(OF_KUBERNETES[kind]), registry=registry)
    schema = json.loads((ROOT / "tests" / "schemas" / f"{kind.lower()}s.v1.json").read_text())
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    schema["properties"]["apiVersion"] = {"const": "ray.io/v1"}
    schema["properties"]["metadata"] = _of_kubernetes("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
    return jsonschema.Draft202012Validator(_closed(schema), registry=registry)


def _of_kubernetes(name: str) -> Object:
    return {"$ref": f"https://kubernetes.io/api/_definitions.json#/$defs/{name}"}


def _closed(schema: Any) -> Any:
    """Allow no other properties wherever some are named."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    return {"additionalProperties": False} | closed if named else closed


def cluster_spec(manifest: Object) -> Object | None:
    """Return the cluster that a manifest makes; None where it makes none."""
    spec: Object = manifest["spec"]
    return spec if manifest["kind"] == "RayCluster" else spec.get("rayClusterSpec")


def pod_templates(manifest: Object) -> list[Object]:
    """Return the templates of all pods of a RayCluster or RayJob, with the autoscaler's container in the head's.

    KubeRay adds it, with what autoscalerOptions say (BuildAutoscalerContainer and mergeAutoscalerOverrides in its
    ray-operator/controllers/ray/common/pod.go), and in its workers an init container with the worker's own security.
    """
    templates = []
    if cluster := cluster_spec(manifest):
        options = cluster["autoscalerOptions"]
        autoscaler = {"name": "autoscaler"} | {
            name: options[name] for name in ("securityContext", "resources") if name in options
        }
        head = cluster["headGroupSpec"]["template"]
        spec = head["spec"] | {"containers": [*head["spec"]["containers"], autoscaler]}
        templates = [head | {"spec": spec}, *(group["template"] for group in cluster["workerGroupSpecs"])]
    if manifest["kind"] == "RayJob":  # KubeRay's own template has neither security nor labels (common/job.go)
        bare = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "submitter"}]}}
        templates.append(manifest["spec"].get("submitterPodTemplate", bare))
    return templates
