"""Stateful sets and daemon sets: pods of their own, former templates kept as controller revisions.

As the real controllers do, a stateful set goes on with the next pod only when this one is ready, also when a mended template
would replace the one that is not: somebody has to delete it (`podManagementPolicy: Parallel` does not wait).
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from tests.fakes.cluster.kinds import BY_KIND
from tests.fakes.cluster.kubelet import ready
from tests.fakes.cluster.store import Object, Store

HASH = "controller-revision-hash"


class Ordinals:
    """One pass over a namespace; the store repeats it until nothing changes."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def settle(self, namespace: str) -> None:
        for each in self.store.all("StatefulSet", namespace):
            self._order(each, self._revision(each))
        for each in self.store.all("DaemonSet", namespace):
            self._spread(each, self._revision(each))

    def tell(self, namespace: str) -> None:
        for kind in ("StatefulSet", "DaemonSet"):
            for each in self.store.all(kind, namespace):
                status = self._status(each, self._revision(each))
                if each.get("status") != status:
                    each["status"] = status
                    self.store.touch(each)

    def _revision(self, above: Object) -> str:
        """The name of what keeps the current template; it has the highest number, also when it is an old one again."""
        name = f"{above['metadata']['name']}-{template_hash(above)}"
        kept = self._own("ControllerRevision", above)
        highest = max((each["revision"] for each in kept), default=0)
        current = next((each for each in kept if each["metadata"]["name"] == name), None)
        if current is None:
            template = {**copy.deepcopy(above["spec"]["template"]), "$patch": "replace"}
            labels = {**above["spec"]["template"]["metadata"]["labels"], HASH: name}
            meta = {"name": name, "labels": labels, "ownerReferences": [reference(above)]}
            body = {"metadata": meta, "data": {"spec": {"template": template}}, "revision": highest + 1}
            self.store.create(BY_KIND["ControllerRevision"], above["metadata"]["namespace"], body)
        elif current["revision"] < highest:
            current["revision"] = highest + 1
            self.store.touch(current)
        return name

    def _order(self, above: Object, revision: str) -> None:
        spec = above["spec"]
        wanted, waits = spec.get("replicas", 1), spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
        pods = {pod["metadata"]["name"]: pod for pod in self._own("Pod", above)}
        names = [f"{above['metadata']['name']}-{number}" for number in range(wanted)]
        for name in names:
            if name not in pods:
                self._make(above, revision, name)
            if waits and not (name in pods and ready(pods[name])):
                return
        if gone := sorted(set(pods) - set(names), key=lambda n: int(n.rpartition("-")[2]), reverse=True):
            self._delete(pods[gone[0]])
            return
        first = int(((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0)
        self._renew(above, revision, [pods[name] for name in reversed(names[first:]) if name in pods])

    def _spread(self, above: Object, revision: str) -> None:
        """One pod for every node."""
        pods = {pod["spec"].get("nodeName"): pod for pod in self._own("Pod", above)}
        for node in self.store.all("Node"):
            if node["metadata"]["name"] not in pods:
                name = f"{above['metadata']['name']}-{node['metadata']['name'][-5:]}"
                self._make(above, revision, name, nodeName=node["metadata"]["name"])
        self._renew(above, revision, list(pods.values()))

    def _renew(self, above: Object, revision: str, pods: list[Object]) -> None:
        """The first pod of another template is replaced; a pod that is not ready yet is waited for."""
        if (above["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
            return
        for pod in pods:
            if pod["metadata"]["labels"][HASH] != revision:
                self._delete(pod)
                return
            if not ready(pod):
                return

    def _make(self, above: Object, revision: str, name: str, **more: str) -> None:
        template = copy.deepcopy(above["spec"]["template"])
        labels = {**template["metadata"]["labels"], HASH: revision}
        meta = {**template["metadata"], "name": name, "labels": labels, "ownerReferences": [reference(above)]}
        body = {"metadata": meta, "spec": {**template["spec"], **more}}
        self.store.create(BY_KIND["Pod"], above["metadata"]["namespace"], body)

    def _status(self, above: Object, revision: str) -> Object:
        pods = self._own("Pod", above)
        serving = sum(map(ready, pods))
        updated = sum(pod["metadata"]["labels"][HASH] == revision for pod in pods)
        seen = {"observedGeneration": above["metadata"]["generation"]}
        if above["kind"] == "DaemonSet":
            wanted = len(self.store.all("Node"))
            counts = {"desiredNumberScheduled": wanted, "currentNumberScheduled": len(pods), "numberReady": serving}
            return {
                **seen,
                **counts,
                "numberMisscheduled": 0,
                "numberAvailable": serving,
                "updatedNumberScheduled": updated,
            }
        wanted = above["spec"].get("replicas", 1)
        before = (above.get("status") or {}).get("currentRevision", revision)
        current = revision if updated == serving == len(pods) == wanted else before
        counts = {
            "replicas": len(pods),
            "readyReplicas": serving,
            "availableReplicas": serving,
            "updatedReplicas": updated,
        }
        return {**seen, **counts, "currentRevision": current, "updateRevision": revision}

    def _own(self, kind: str, above: Object) -> list[Object]:
        things = self.store.all(kind, above["metadata"]["namespace"])
        return [each for each in things if (owner(each) or {}).get("uid") == above["metadata"]["uid"]]

    def _delete(self, pod: Object) -> None:
        self.store.delete(BY_KIND["Pod"], pod["metadata"]["namespace"], pod["metadata"]["name"])


def template_hash(deployment: Object) -> str:
    """Of what the template says: empty and null fields, which clients add when they send it back, do not count."""
    text = json.dumps(_said(deployment["spec"]["template"]), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: _said(part) for key, part in value.items()}
        return {key: part for key, part in found.items() if part not in (None, {}, [], "")}
    return [_said(part) for part in value] if isinstance(value, list) else value


def owner(thing: Object) -> Object | None:
    return next(iter(thing["metadata"].get("ownerReferences") or []), None)


def reference(thing: Object) -> Object:
    meta = thing["metadata"]
    named = {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {**named, "controller": True, "blockOwnerDeletion": True}
