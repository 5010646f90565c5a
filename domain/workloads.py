"""Workloads of a cluster by kind: how they are named, whether a rollout has ended, and what keeps one from every pod.

As `kubectl rollout status` decides (kubectl/pkg/polymorphichelpers/rollout_status.go), but that pods of before must be gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]
KINDS = ("Deployment", "StatefulSet", "DaemonSet")
COUNTS: dict[str, tuple[str, ...]] = {
    "Deployment": ("updatedReplicas", "replicas", "availableReplicas"),
    "StatefulSet": ("replicas", "readyReplicas"),
    "DaemonSet": ("updatedNumberScheduled", "currentNumberScheduled", "numberAvailable"),
}
"""Counts of the status that all equal the number wanted once a rollout has ended; stateful sets also name two revisions."""


def named(word: str) -> tuple[str, str]:
    """(kind, name) that a domain.cluster.WorkloadName means; without a kind it is a deployment."""
    kind, _, name = word.rpartition("/")
    return {each.lower(): each for each in KINDS}[kind or "deployment"], name


def waits_in_order(workload: Object) -> bool:
    """Whether it replaces no pod before the one that is not ready has become so: for ever, where it does not."""
    spec = _table(workload, "spec")
    ordered = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    return bool(workload["kind"] == "StatefulSet" and ordered)


def pod_ready(pod: Object) -> bool:
    """Whether its Ready condition holds."""
    conditions: list[Object] = _table(pod, "status").get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def wanted_pods(workload: Object) -> int:
    """How many pods it shall have; a daemon set has one for each node that fits."""
    if workload["kind"] == "DaemonSet":
        return _count(workload, "desiredNumberScheduled")
    return int(_table(workload, "spec").get("replicas", 1))


def ready_pods(workload: Object) -> int:
    """How many of its pods serve."""
    return _count(workload, "numberReady" if workload["kind"] == "DaemonSet" else "readyReplicas")


def complete(workload: Object) -> bool:
    """Seen by the controller, all pods of the newest template, no others left, all serving."""
    if _count(workload, "observedGeneration") < int(workload["metadata"].get("generation") or 0):
        return False
    status = _table(workload, "status")
    if status.get("updateRevision") != status.get("currentRevision"):
        return False
    return {_count(workload, name) for name in COUNTS[workload["kind"]]} == {wanted_pods(workload)}


def held_back(workload: Object) -> str:
    """Why a new template does not reach every pod by itself, or nothing."""
    spec = _table(workload, "spec")
    if spec.get("paused"):
        return "its rollouts are paused"
    strategy = _table(spec, "updateStrategy")
    if strategy.get("type") == "OnDelete":
        return "its update strategy is OnDelete: pods are replaced when somebody deletes them"
    if first := int(_table(strategy, "rollingUpdate").get("partition") or 0):
        return f"its update strategy has partition {first}: pods below that number stay as they are"
    return ""


def _count(workload: Object, name: str) -> int:
    return int(_table(workload, "status").get(name) or 0)


def _table(thing: Object, key: str) -> Object:
    found: Object = thing.get(key) or {}
    return found
