"""Pods for which an ordered stateful set waits in vain: it replaces none that is not ready, whatever its template says now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.errors import ToolError
from domain.workloads import pod_ready, waits_in_order
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.workload import owned_by
from tools.spec import State
from tools.target import Target

if TYPE_CHECKING:
    from tools.kubernetes.client import ClusterClient

Object = dict[str, Any]
SEEN_S, EVERY_S = 10.0, 0.5
"""How long the controller may take to see a new template, and how often it is asked, in seconds."""


async def go_on(target: Target, cluster: ClusterClient, before: State, *, dry: bool) -> None:
    """Delete those pods after a new template was sent, so that the set goes on ("Forced rollback" of its documentation).

    Nothing for other workloads, and for sets that wait for nobody. `dry`: the server checks the deletions and keeps all.
    """
    if before["kind"] != "StatefulSet":
        return
    found = await (cluster.get(KINDS["StatefulSet"], before["name"]) if dry else _seen(target, cluster, before["name"]))
    if found is None or not waits_in_order(found):
        return
    for pod in owned_by(await cluster.list(KINDS["Pod"]), found["metadata"]["uid"]):
        if not pod_ready(pod) and (dry or _is_of_before(pod, found)):
            await _delete(cluster, pod["metadata"], dry=dry)


async def _delete(cluster: ClusterClient, pod: Object, *, dry: bool) -> None:
    """No error when this very pod has gone meanwhile."""
    try:
        await cluster.delete(KINDS["Pod"], pod["name"], pod["uid"], dry=dry)
    except ToolError as error:
        if error.code not in ("kubernetes.not_found", "kubernetes.conflict"):
            raise


async def _seen(target: Target, cluster: ClusterClient, name: str) -> Object | None:
    """The set once its controller knows the new template: a pod deleted earlier would be made from the old one again."""
    deadline = target.clock.monotonic() + SEEN_S
    while found := await cluster.get(KINDS["StatefulSet"], name):
        seen = int((found.get("status") or {}).get("observedGeneration") or 0) >= int(found["metadata"]["generation"])
        if seen or target.clock.monotonic() >= deadline:
            return found if seen else None
        await target.clock.sleep(EVERY_S)
    return None


def _is_of_before(pod: Object, workload: Object) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return bool(labels.get("controller-revision-hash") != workload["status"].get("updateRevision"))
