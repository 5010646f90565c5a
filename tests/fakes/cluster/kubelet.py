"""What a pod would do if it ran: it follows from its image, its variables and the objects around it.

- an image of `registry.invalid/…`, or with the tag `missing`, cannot be pulled; the tag `crashing` exits at once;
- a variable from a config map or secret that is not there keeps the container from being created;
- variables are read when the pod is created, as real ones are: a mended config map needs a restart;
- `WORKING_SET: 200Mi` above the memory limit is an OOM kill; a request above what a node has is never scheduled;
- `X_HOST: name` must be a service with ready pods that network policies let this pod reach, or it is not ready;
- `NEEDS_PERMISSION: "get configmaps"` must be allowed to its service account, or it is not ready.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.fakes.cluster.access import may, service_account
from tests.fakes.cluster.kinds import BY_KIND
from tests.fakes.cluster.store import Object, Store, now

UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}


@dataclass
class Fate:
    """How a pod stands."""

    ready: bool = False
    waiting: str = ""
    """Reason of a container that does not run: ImagePullBackOff, CrashLoopBackOff, …"""
    unscheduled: bool = False
    exit: tuple[int, str] | None = None
    """(exit code, reason) of the last end."""
    message: str = ""
    event: str = ""


@dataclass
class Kubelet:
    """Decides about pods; `env` is what each pod read when it was created, by uid."""

    store: Store
    env: dict[str, dict[str, str]] = field(default_factory=dict)

    def tend(self, pod: Object) -> None:
        """Bring the pod's status up to date."""
        fate = self.fate(pod)
        status = _status(pod, fate)
        if status != pod.get("status"):
            pod["status"] = status
            self.store.touch(pod)
            if fate.event:
                note(self.store, pod, fate.event, fate.message)

    def fate(self, pod: Object) -> Fate:
        container = pod["spec"]["containers"][0]
        if not self._fits(pod):
            text = "0/1 nodes are available: 1 Insufficient memory."
            return Fate(unscheduled=True, message=text, event="FailedScheduling")
        image = container["image"]
        tag = image.rpartition(":")[2]
        if image.startswith("registry.invalid/") or tag == "missing":
            text = f'Failed to pull image "{image}": not found'
            return Fate(waiting="ImagePullBackOff", message=text, event="Failed")
        env, lacking = self._variables(pod)
        if lacking:
            return Fate(waiting="CreateContainerConfigError", message=lacking, event="Failed")
        if tag == "crashing":
            text = "panic: cannot start"
            return Fate(waiting="CrashLoopBackOff", exit=(1, "Error"), message=text, event="BackOff")
        limit = bytes_of((container.get("resources") or {}).get("limits", {}).get("memory", "1Gi"))
        if bytes_of(env.get("WORKING_SET", "0")) > limit:
            text = "memory limit reached"
            return Fate(waiting="CrashLoopBackOff", exit=(137, "OOMKilled"), message=text, event="BackOff")
        trouble = self._trouble(pod, container, env)
        return Fate(ready=not trouble, message=trouble, event="Unhealthy" if trouble else "")

    def log(self, pod: Object) -> str:
        """What the container wrote."""
        fate = self.fate(pod)
        head = f"starting {pod['spec']['containers'][0]['image']}\n"
        if fate.waiting in ("ImagePullBackOff", "CreateContainerConfigError") or fate.unscheduled:
            return ""
        return head + ("serving\n" if fate.ready else f"error: {fate.message}\n")

    def _fits(self, pod: Object) -> bool:
        container = pod["spec"]["containers"][0]
        asked = bytes_of((container.get("resources") or {}).get("requests", {}).get("memory", "0"))
        wanted = pod["spec"].get("nodeSelector") or {}
        return any(
            bytes_of(node["status"]["allocatable"]["memory"]) >= asked
            and not node.get("spec", {}).get("unschedulable")
            and all(node["metadata"].get("labels", {}).get(k) == v for k, v in wanted.items())
            for node in self.store.all("Node")
        )

    def _variables(self, pod: Object) -> tuple[dict[str, str], str]:
        """What the pod read when it was created, and what it then lacked."""
        uid = pod["metadata"]["uid"]
        if uid in self.env:
            return self.env[uid], ""
        found: dict[str, str] = {}
        for source in pod["spec"]["containers"][0].get("envFrom") or []:
            kind, name = (
                ("ConfigMap", source["configMapRef"]["name"])
                if "configMapRef" in source
                else ("Secret", source["secretRef"]["name"])
            )
            holder = self._holder(kind, pod, name)
            if holder is None:
                return {}, f'{kind.lower()} "{name}" not found'
            found |= holder.get("data") or {}
        for row in pod["spec"]["containers"][0].get("env") or []:
            if "valueFrom" not in row:
                found[row["name"]] = str(row.get("value", ""))
                continue
            kind, where = (
                ("ConfigMap", "configMapKeyRef")
                if "configMapKeyRef" in row["valueFrom"]
                else ("Secret", "secretKeyRef")
            )
            reference = row["valueFrom"][where]
            holder = self._holder(kind, pod, reference["name"])
            if holder is None:
                return {}, f'{kind.lower()} "{reference["name"]}" not found'
            if reference["key"] not in (holder.get("data") or {}):
                return {}, f"couldn't find key {reference['key']} in {kind} {reference['name']}"
            found[row["name"]] = holder["data"][reference["key"]]
        self.env[uid] = found
        return found, ""

    def _holder(self, kind: str, pod: Object, name: str) -> Object | None:
        return self.store.find(kind, pod["metadata"]["namespace"], name)

    def _trouble(self, pod: Object, container: dict[str, Any], env: dict[str, str]) -> str:
        space = pod["metadata"]["namespace"]
        heard = {port["containerPort"] for port in container.get("ports") or []}
        asked = (container.get("readinessProbe") or {}).get("httpGet", {}).get("port")
        if asked is not None and heard and asked not in heard:
            return f"Readiness probe failed: dial tcp: connect to port {asked}: connection refused"
        for name, host in sorted(env.items()):
            if name.endswith("_HOST") and (why := self._unreached(pod, host)):
                return f"Readiness probe failed: {name}={host}: {why}"
        if needed := env.get("NEEDS_PERMISSION"):
            verb, resource = needed.split()
            account = service_account(space, pod["spec"].get("serviceAccountName", "default"))
            if not may(self.store, account, verb, "", resource, space):
                return f'Readiness probe failed: {resource} is forbidden: User "{account.name}" cannot {verb} resource "{resource}"'
        return ""

    def _unreached(self, pod: Object, host: str) -> str:
        space = pod["metadata"]["namespace"]
        service = self.store.find("Service", space, host)
        if service is None:
            return f"lookup {host}: no such host"
        behind = [p for p in selected(self.store, space, service["spec"].get("selector") or {}) if ready(p)]
        if not behind:
            return "connection refused (no endpoints)"
        port = service["spec"]["ports"][0]
        number = port.get("targetPort", port["port"])
        if not any(self._admitted(pod, other, number) for other in behind):
            return f"connection to port {number} timed out"
        return ""

    def _admitted(self, source: Object, other: Object, port: int) -> bool:
        """Network policies of the namespace: who selects a pod closes it but for what its rules let in."""
        policies = [
            p
            for p in self.store.all("NetworkPolicy", other["metadata"]["namespace"])
            if "Ingress" in p["spec"].get("policyTypes", ["Ingress"])
            and matches(p["spec"].get("podSelector") or {}, other)
        ]
        return not policies or any(
            _lets_in(rule, source, port) for p in policies for rule in p["spec"].get("ingress") or []
        )


def _lets_in(rule: dict[str, Any], source: Object, port: int) -> bool:
    peers, ports = rule.get("from"), rule.get("ports")
    return (not peers or any(matches(peer.get("podSelector") or {}, source) for peer in peers)) and (
        not ports or any(row.get("port") == port for row in ports)
    )


def matches(selector: dict[str, Any], pod: Object) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(k) == v for k, v in (selector.get("matchLabels") or {}).items())


def selected(store: Store, namespace: str, labels: dict[str, str]) -> list[Object]:
    """Pods that a service's selector finds; an empty one finds none."""
    return [p for p in store.all("Pod", namespace) if labels and matches({"matchLabels": labels}, p)]


def ready(pod: Object) -> bool:
    return any(
        c["type"] == "Ready" and c["status"] == "True" for c in (pod.get("status") or {}).get("conditions") or []
    )


def bytes_of(text: str) -> int:
    """`200Mi` → bytes."""
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            return int(float(text.removesuffix(unit)) * factor)
    return int(text)


def note(store: Store, about: Object, reason: str, message: str) -> None:
    """An event, counted when it is there already."""
    meta = about["metadata"]
    space = meta.get("namespace", "default")
    name = f"{meta['name']}.{reason.lower()}"
    known = store.find("Event", space, name)
    if known is not None:
        known |= {"count": known["count"] + 1, "lastTimestamp": now(), "message": message}
        store.touch(known)
        return
    reference = {"kind": about["kind"], "namespace": space, "name": meta["name"], "uid": meta["uid"]}
    body = {
        "metadata": {"name": name},
        "involvedObject": reference,
        "reason": reason,
        "message": message,
        "type": "Warning",
    }
    store.create(BY_KIND["Event"], space, {**body, "count": 1, "firstTimestamp": now(), "lastTimestamp": now()})


def _status(pod: Object, fate: Fate) -> Object:
    container = pod["spec"]["containers"][0]
    old = pod.get("status") or {}
    started = old.get("startTime") or now()

    def condition(kind: str, holds: bool, **more: str) -> dict[str, str]:
        return {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": started, **more}

    if fate.unscheduled:
        more = {"reason": "Unschedulable", "message": fate.message}
        return {"phase": "Pending", "conditions": [condition("PodScheduled", False, **more)], "startTime": started}
    running = not fate.waiting
    state: Object = {"running": {"startedAt": started}}
    if fate.waiting:
        state = {"waiting": {"reason": fate.waiting, "message": fate.message}}
    row = {"name": container["name"], "image": container["image"], "imageID": "", "ready": fate.ready, "state": state}
    row |= {"restartCount": 5 if fate.exit else 0, "started": running}
    if fate.exit:
        code, reason = fate.exit
        row["lastState"] = {
            "terminated": {
                "exitCode": code,
                "reason": reason,
                "message": fate.message,
                "startedAt": started,
                "finishedAt": started,
            }
        }
    return {
        "phase": "Running" if running or fate.exit else "Pending",
        "startTime": started,
        "podIP": f"10.0.0.{sum(map(ord, pod['metadata']['name'])) % 250 + 1}",
        "conditions": [
            condition("PodScheduled", True),
            condition("Ready", fate.ready, **({"message": fate.message} if fate.message else {})),
            condition("ContainersReady", fate.ready),
        ],
        "containerStatuses": [row],
    }
