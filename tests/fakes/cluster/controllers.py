"""Deployments make replica sets, replica sets make pods, services find them; what has lost its owner goes."""

from __future__ import annotations

import copy
from typing import Any

from tests.fakes.cluster.kinds import BY_KIND
from tests.fakes.cluster.kubelet import Kubelet, ready, selected
from tests.fakes.cluster.ordinals import Ordinals, owner, reference, template_hash
from tests.fakes.cluster.store import Object, Store

REVISION = "deployment.kubernetes.io/revision"


class Controllers:
    """One pass over a namespace; the store repeats it until nothing changes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.kubelet = Kubelet(store)
        self.ordinals = Ordinals(store)
        store.settle = self.settle

    def settle(self, namespace: str) -> None:
        self._orphans(namespace)
        for deployment in self.store.all("Deployment", namespace):
            self._deploy(deployment)
        for replicas in self.store.all("ReplicaSet", namespace):
            self._populate(replicas)
        self.ordinals.settle(namespace)
        for pod in self.store.all("Pod", namespace):
            self.kubelet.tend(pod)
        for service in self.store.all("Service", namespace):
            self._endpoints(service)
        for replicas in self.store.all("ReplicaSet", namespace):
            self._count(replicas)
        for deployment in self.store.all("Deployment", namespace):
            self._tell(deployment)
        self.ordinals.tell(namespace)

    def _orphans(self, namespace: str) -> None:
        owners = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
        alive = {o["metadata"]["uid"] for kind in owners for o in self.store.all(kind, namespace)}
        for kind in ("ReplicaSet", "ControllerRevision", "Pod"):
            for thing in self.store.all(kind, namespace):
                if (mine := owner(thing)) and mine["uid"] not in alive:
                    self._delete(thing)

    def _deploy(self, deployment: Object) -> None:
        spec = deployment["spec"]
        wanted = spec.get("replicas", 1)
        current, others = self._sets(deployment)
        if current is None:
            if spec.get("paused"):
                return
            current = self._make_set(deployment, others)
        self._number(deployment, current, others)
        old = sum(o["spec"]["replicas"] for o in others)
        surge = -(-wanted // 4)
        recreate = (spec.get("strategy") or {}).get("type") == "Recreate"
        new = (wanted if not old else 0) if recreate else min(wanted, max(0, wanted + surge - old))
        self._scale(current, new)
        serving = sum(ready(p) for p in self._pods(current))
        self._shrink(others, 0 if recreate else max(0, wanted - serving))

    def _sets(self, deployment: Object) -> tuple[Object | None, list[Object]]:
        sets = self.store.all("ReplicaSet", deployment["metadata"]["namespace"])
        own = [r for r in sets if (owner(r) or {}).get("uid") == deployment["metadata"]["uid"]]
        wanted = template_hash(deployment)
        current = next((r for r in own if r["metadata"]["labels"]["pod-template-hash"] == wanted), None)
        return current, [r for r in own if r is not current]

    def _make_set(self, deployment: Object, others: list[Object]) -> Object:
        digest, meta = template_hash(deployment), deployment["metadata"]
        template = copy.deepcopy(deployment["spec"]["template"])
        labels = {**template["metadata"]["labels"], "pod-template-hash": digest}
        template["metadata"]["labels"] = labels
        body = {
            "metadata": {
                "name": f"{meta['name']}-{digest}",
                "labels": labels,
                "annotations": {REVISION: str(max((_revision(o) for o in others), default=0) + 1)},
                "ownerReferences": [reference(deployment)],
            },
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        }
        return self.store.create(BY_KIND["ReplicaSet"], meta["namespace"], body)

    def _number(self, deployment: Object, current: Object, others: list[Object]) -> None:
        """The current set has the highest revision; a rollback gives an old one a new number."""
        highest = max((_revision(o) for o in others), default=0)
        if _revision(current) <= highest:
            current["metadata"]["annotations"][REVISION] = str(highest + 1)
            self.store.touch(current)
        notes = deployment["metadata"].setdefault("annotations", {})
        if notes.get(REVISION) != current["metadata"]["annotations"][REVISION]:
            notes[REVISION] = current["metadata"]["annotations"][REVISION]
            self.store.touch(deployment)

    def _shrink(self, others: list[Object], keep: int) -> None:
        """Old sets give way as new pods become ready; those that serve nobody first."""
        for old in sorted(others, key=lambda o: sum(ready(p) for p in self._pods(o)), reverse=True):
            stay = min(old["spec"]["replicas"], keep)
            keep -= stay
            self._scale(old, stay)

    def _scale(self, replicas: Object, wanted: int) -> None:
        if replicas["spec"]["replicas"] != wanted:
            replicas["spec"]["replicas"] = wanted
            self.store.touch(replicas)

    def _populate(self, replicas: Object) -> None:
        pods = self._pods(replicas)
        wanted = replicas["spec"]["replicas"]
        for _ in range(wanted - len(pods)):
            template = copy.deepcopy(replicas["spec"]["template"])
            name = f"{replicas['metadata']['name']}-"
            meta = {**template["metadata"], "generateName": name, "ownerReferences": [reference(replicas)]}
            pod = {"metadata": meta, "spec": template["spec"]}
            self.store.create(BY_KIND["Pod"], replicas["metadata"]["namespace"], pod)
        for pod in sorted(pods, key=ready)[: max(0, len(pods) - wanted)]:
            self._delete(pod)

    def _count(self, replicas: Object) -> None:
        pods = self._pods(replicas)
        serving = sum(map(ready, pods))
        self._say(replicas, {"replicas": len(pods), "readyReplicas": serving, "availableReplicas": serving})

    def _tell(self, deployment: Object) -> None:
        current, others = self._sets(deployment)
        new = self._pods(current) if current else []
        pods = [*new, *(p for o in others for p in self._pods(o))]
        wanted, serving = deployment["spec"].get("replicas", 1), sum(map(ready, pods))
        available = {"type": "Available", "status": "True" if serving >= wanted - wanted // 4 else "False"}
        done = len(new) == wanted == sum(map(ready, new))
        reason = "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"
        self._say(
            deployment,
            {
                "observedGeneration": deployment["metadata"]["generation"],
                "replicas": len(pods),
                "updatedReplicas": len(new),
                "readyReplicas": serving,
                "availableReplicas": serving,
                "unavailableReplicas": max(0, wanted - serving),
                "conditions": [available, {"type": "Progressing", "status": "True", "reason": reason}],
            },
        )

    def _endpoints(self, service: Object) -> None:
        meta = service["metadata"]
        pods = selected(self.store, meta["namespace"], service["spec"].get("selector") or {})
        rows: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for pod in pods:
            if ip := (pod.get("status") or {}).get("podIP"):
                rows[ready(pod)].append({"ip": ip, "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]}})
        ports = [{"port": p.get("targetPort", p["port"]), "protocol": "TCP"} for p in service["spec"]["ports"]]
        subsets = [{"addresses": rows[True], "notReadyAddresses": rows[False], "ports": ports}] if pods else []
        known = self.store.find("Endpoints", meta["namespace"], meta["name"])
        if known is None:
            self.store.create(
                BY_KIND["Endpoints"], meta["namespace"], {"metadata": {"name": meta["name"]}, "subsets": subsets}
            )
        elif known.get("subsets") != subsets:
            known["subsets"] = subsets
            self.store.touch(known)

    def _pods(self, above: Object) -> list[Object]:
        pods = self.store.all("Pod", above["metadata"]["namespace"])
        return [p for p in pods if (owner(p) or {}).get("uid") == above["metadata"]["uid"]]

    def _say(self, thing: Object, status: Object) -> None:
        if thing.get("status") != status:
            thing["status"] = status
            self.store.touch(thing)

    def _delete(self, thing: Object) -> None:
        self.store.delete(BY_KIND[thing["kind"]], thing["metadata"]["namespace"], thing["metadata"]["name"])


def _revision(replicas: Object) -> int:
    return int(replicas["metadata"]["annotations"].get(REVISION, "0"))
