"""workload_state: do a deployment's pods serve, which image and revision they are of, and why those that wait do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from domain.bundle import Reading
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import cluster_of, workload_name
from tools.kubernetes.workload import facts_of
from tools.probes.probe import Probe, Shared, bound, reading
from tools.target import Target


async def _read(target: Target, shared: Shared) -> list[Reading]:
    name = workload_name(target, None)
    async with cluster_of(target, changing=False) as cluster:
        found = await cluster.get(KINDS["Deployment"], name)
        selector = ((found or {}).get("spec") or {}).get("selector", {}).get("matchLabels") or {}
        pods = await cluster.list(KINDS["Pod"], selector) if selector else []
    if found is None:
        return [reading("workload_state", target, ok=False, text=f"there is no deployment {name}", exists=False)]
    facts = facts_of(found)
    values = {key: facts[key] for key in ("replicas", "ready", "complete", "revision", "images")}
    waiting = _waiting(pods)
    ok = facts["replicas"] > 0 and facts["ready"] >= facts["replicas"] and facts["complete"]
    text = _says(name, facts, waiting)
    more: dict[str, Any] = {"waiting": dict(waiting), "restarts": _restarts(pods)}
    return [reading("workload_state", target, ok=ok, text=text, exists=True, workload=name, **values, **more)]


def _statuses(pods: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [s for pod in pods for s in (pod.get("status") or {}).get("containerStatuses") or []]


def _waiting(pods: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Reason → how many containers wait for it; pods that no node takes count as Unschedulable."""
    reasons = Counter(
        str(status["state"]["waiting"].get("reason"))
        for status in _statuses(pods)
        if (status.get("state") or {}).get("waiting")
    )
    for pod in pods:
        for condition in (pod.get("status") or {}).get("conditions") or []:
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                reasons["Unschedulable"] += 1
    return reasons


def _restarts(pods: Sequence[Mapping[str, Any]]) -> int:
    return sum(int(status.get("restartCount") or 0) for status in _statuses(pods))


def _says(name: str, facts: Mapping[str, Any], waiting: Mapping[str, int]) -> str:
    parts = [f"{facts['ready']} of {facts['replicas']} pods of {name} serve (revision {facts['revision']})"]
    parts += [] if facts["complete"] else ["its rollout has not ended"]
    parts += [f"{count} wait: {reason}" for reason, count in sorted(waiting.items())]
    return ", ".join(parts)


WORKLOAD_STATE = Probe(name="workload_state", applies=bound("kubernetes"), read=_read)
