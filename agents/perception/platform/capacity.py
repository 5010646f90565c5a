"""Room: quotas, limits of a namespace, nodes under pressure or gone, processors held too short."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.perception.claim import Claim
from agents.perception.platform.objects import (
    Cluster,
    Object,
    claim,
    get,
    labels_of,
    name_of,
    number,
    rows,
    sign,
    space_of,
    table,
)

_QUANTITY = re.compile(r"^([\d.]+)([a-zA-Z]*)$")
_UNITS = {
    "": 1.0,
    "m": 1e-3,
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_PRESSURE = {
    "MemoryPressure": "node_memory_pressure",
    "DiskPressure": "node_disk_pressure",
    "PIDPressure": "node_pid_pressure",
}
THROTTLED = 0.05
"""Processor limit (cores) below which a server can hardly answer."""


def quantity(value: object) -> float | None:
    """A Kubernetes quantity as a number (`500m` is 0.5, `1Gi` is 2³⁰), None where it is none."""
    found = _QUANTITY.match(str(value))
    return float(found.group(1)) * _UNITS[found.group(2)] if found and found.group(2) in _UNITS else None


def refused(cluster: Cluster) -> Iterable[Claim]:
    """Pods that the API refuses to create: quota, limit range, admission."""
    for event in cluster.events("FailedCreate"):
        message = str(event.get("message", ""))
        service = cluster.service(cluster.subject(event))
        quota, limit = "exceeded quota" in message, re.search(r"(maximum|minimum) \S+ usage per|must specify", message)
        kind = "quota_exceeded" if quota else "limit_range" if limit else "creation_refused"
        yield claim(
            service,
            kind,
            0.94 if quota or limit else 0.7,
            f"Pods of {service} may not be created: {message[:160]}",
            sign(event, message, "the API refuses its pods"),
        )


def quotas(cluster: Cluster) -> Iterable[Claim]:
    """A used-up quota in a namespace where a workload has fewer pods than it wants."""
    for quota in cluster.all("ResourceQuota"):
        full = [k for k, hard in table(quota, "status.hard").items() if _full(hard, table(quota, "status.used").get(k))]
        if not full:
            continue
        for workload in cluster.all("Deployment", "StatefulSet"):
            wanted, there = number(workload, "spec.replicas", 1), number(workload, "status.readyReplicas")
            if space_of(workload) == space_of(quota) and there < wanted:
                service = cluster.service(name_of(workload), labels_of(workload))
                yield claim(
                    service,
                    "quota_exceeded",
                    0.8,
                    f"{service} has {there} of {wanted} pods and the quota {name_of(quota)} is used up ({', '.join(full)}).",
                    sign(quota, f"used equals hard for {', '.join(full)}", "no room for more pods"),
                )


def nodes(cluster: Cluster) -> Iterable[Claim]:
    """Nodes that are gone or under pressure, blamed where pods of theirs are not well."""
    for node in cluster.all("Node"):
        for condition in rows(node, "status.conditions"):
            kind, state = str(condition.get("type")), str(condition.get("status"))
            name = (
                "node_not_ready"
                if kind == "Ready" and state != "True"
                else _PRESSURE.get(kind)
                if state == "True"
                else None
            )
            if name is None:
                continue
            said = str(condition.get("message", ""))
            victims = sorted({cluster.service(cluster.workload(p), labels_of(p)) for p in _placed(cluster, node)})
            words = f"Node {name_of(node)}: {kind} is {state} ({said[:80]}); it carries {', '.join(victims[:5]) or 'none listed'}."
            yield claim(
                _named(cluster, node, victims),
                name,
                0.93,
                words,
                sign(node, f"{kind}={state}: {said}", "the node itself is not well"),
            )


def throttled(cluster: Cluster) -> Iterable[Claim]:
    """A processor limit so low that a server can hardly answer."""
    for workload in cluster.all("Deployment", "StatefulSet", "DaemonSet"):
        for container in rows(workload, "spec.template.spec.containers"):
            limit = quantity(get(container, "resources.limits.cpu"))
            if limit is not None and 0 < limit < THROTTLED:
                service = cluster.service(name_of(workload), labels_of(workload))
                yield claim(
                    service,
                    "cpu_limit",
                    0.6,
                    f"{service} may use only {limit:g} of a core.",
                    sign(workload, f"limits.cpu {get(container, 'resources.limits.cpu')}", "it is throttled"),
                )


def _full(hard: object, used: object) -> bool:
    most, now = quantity(hard), quantity(used)
    return most is not None and now is not None and now >= most


def _placed(cluster: Cluster, node: Object) -> list[Object]:
    return [p for p in cluster.all("Pod") if get(p, "spec.nodeName") == name_of(node)]


def _named(cluster: Cluster, node: Object, victims: list[str]) -> str:
    """The node, where the incident may name it or knows no names; else the only service on it."""
    known = cluster.facts.bundle.services
    return name_of(node) if not known or name_of(node) in known or not victims else victims[0]


CHECKS = (refused, quotas, nodes, throttled)
