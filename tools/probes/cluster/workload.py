"""workload_state: do a workload's pods serve, which image and revision they are of, and why those that wait do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from domain.bundle import Reading
from domain.workloads import pod_ready
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import workload_of
from tools.kubernetes.workload import HASHES, facts_of, owned_by, revisions
from tools.probes.probe import Probe, Shared, as_far_as_it_is, bound, reading
from tools.target import Target


async def _read(target: Target, shared: Shared) -> list[Reading]:
    meant = workload_of(target)
    cluster = await shared.cluster(target)
    found = await cluster.get(meant.kind, meant.name)
    selector = ((found or {}).get("spec") or {}).get("selector", {}).get("matchLabels") or {}
    pods = await cluster.list(KINDS["Pod"], selector) if selector else []
    kept = await cluster.list(meant.kept_as, selector) if selector else []
    if found is None:
        return [reading("workload_state", target, ok=False, text=f"there is no {meant}", exists=False)]
    kept = owned_by(kept, found["metadata"]["uid"])
    facts = facts_of(found, kept)
    values = {key: facts[key] for key in ("replicas", "ready", "complete", "revision", "images")}
    waiting = _waiting(pods)
    normal = target.option(target.binding("kubernetes"), "replicas")
    least = normal if isinstance(normal, int) else 1
    ok = facts["replicas"] >= max(1, least) and facts["ready"] >= facts["replicas"] and facts["complete"]
    text = _says(meant.name, facts, waiting)
    more: dict[str, Any] = {"waiting": dict(waiting), "restarts": _restarts(pods), "stuck": _stuck(pods)}
    more |= {"missing_replicas": max(0, least - facts["replicas"]), "replaced": _replaced(facts, kept)}
    return [reading("workload_state", target, ok=ok, text=text, exists=True, workload=meant.word, **values, **more)]


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


def _stuck(pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """Pods that do not serve while others of the very same template do: then the template is not to blame."""
    serving = {_template(pod) for pod in pods if pod_ready(dict(pod))}
    return sorted(str(p["metadata"]["name"]) for p in pods if not pod_ready(dict(p)) and _template(p) in serving)


def _template(pod: Mapping[str, Any]) -> str:
    labels = pod["metadata"].get("labels") or {}
    return str(next((labels[key] for key in HASHES if key in labels), ""))


def _replaced(facts: Mapping[str, Any], kept: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Images that the newest revision brought: {container, image, former}; nothing without an earlier revision."""
    known = revisions(kept)
    before = max((number for number in known if number < facts["revision"]), default=None)
    containers = known[before]["spec"]["containers"] if before else []
    return [
        {"container": c["name"], "image": facts["images"][c["name"]], "former": c["image"]}
        for c in containers
        if facts["images"].get(c["name"], c["image"]) != c["image"]
    ]


def _says(name: str, facts: Mapping[str, Any], waiting: Mapping[str, int]) -> str:
    parts = [f"{facts['ready']} of {facts['replicas']} pods of {name} serve (revision {facts['revision']})"]
    parts += [] if facts["complete"] else ["its rollout has not ended"]
    parts += [f"{count} wait: {reason}" for reason, count in sorted(waiting.items())]
    if facts["replicas"] == 0:
        parts.append("it wants no pods")
    return ", ".join(parts)


WORKLOAD_STATE = Probe(name="workload_state", applies=bound("kubernetes"), read=_read, patience_s=as_far_as_it_is)
