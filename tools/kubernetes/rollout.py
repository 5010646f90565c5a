"""Whether the rollout of a workload has ended, by its kind, and what keeps a rollout from every pod. Pure.

As `kubectl rollout status` decides (kubectl/pkg/polymorphichelpers/rollout_status.go), but that pods of before must be gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]
COUNTS: dict[str, tuple[str, ...]] = {
    "Deployment": ("updatedReplicas", "replicas", "availableReplicas"),
    "StatefulSet": ("replicas", "readyReplicas"),
    "DaemonSet": ("updatedNumberScheduled", "currentNumberScheduled", "numberAvailable"),
}
"""Counts of the status that all equal the number wanted once a rollout has ended; stateful sets also name two revisions."""


def wanted_pods(workload: Object) -> int:
    """How many pods it shall have; a daemon set has one for each node that fits."""
    if workload["kind"] == "DaemonSet":
        return _count(workload, "desiredNumberScheduled")
    return int((workload.get("spec") or {}).get("replicas", 1))


def ready_pods(workload: Object) -> int:
    """How many of its pods serve."""
    return _count(workload, "numberReady" if workload["kind"] == "DaemonSet" else "readyReplicas")


def complete(workload: Object) -> bool:
    """Seen by the controller, all pods of the newest template, no others left, all serving."""
    if _count(workload, "observedGeneration") < int(workload["metadata"].get("generation") or 0):
        return False
    status = workload.get("status") or {}
    if status.get("updateRevision") != status.get("currentRevision"):
        return False
    return {_count(workload, name) for name in COUNTS[workload["kind"]]} == {wanted_pods(workload)}


def held_back(workload: Object) -> str:
    """Why a new template does not reach every pod by itself, or nothing."""
    spec = workload.get("spec") or {}
    if spec.get("paused"):
        return "its rollouts are paused"
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return "its update strategy is OnDelete: pods are replaced when somebody deletes them"
    if first := int((strategy.get("rollingUpdate") or {}).get("partition") or 0):
        return f"its update strategy has partition {first}: pods below that number stay as they are"
    return ""


def _count(workload: Object, name: str) -> int:
    return int((workload.get("status") or {}).get(name) or 0)
