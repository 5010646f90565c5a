"""Pods as their status tells: images, exits, memory, probes, scheduling."""

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
    matches,
    name_of,
    number,
    rows,
    sign,
    space_of,
    table,
    text,
    texts,
)

_IMAGE = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
_COMMAND = frozenset({"RunContainerError", "StartError", "ContainerCannotRun"})
_UNSCHEDULABLE = (
    ("insufficient_resources", re.compile(r"insufficient (\S+)", re.I)),
    ("untolerated_taint", re.compile(r"untolerated taint|had taint", re.I)),
    ("node_affinity", re.compile(r"node affinity|node selector|didn't match pod's", re.I)),
    (
        "volume_pending",
        re.compile(r"unbound immediate persistentvolumeclaims|persistentvolumeclaim \S+ not found", re.I),
    ),
    ("cordoned_node", re.compile(r"were unschedulable", re.I)),
)
RESTARTS = 3


def waiting(cluster: Cluster) -> Iterable[Claim]:
    """Containers that cannot start: no image, no command, a start that ends again and again."""
    for pod in cluster.all("Pod"):
        service = cluster.service(cluster.workload(pod), labels_of(pod))
        for status in _statuses(pod):
            reason, message = (
                str(get(status, "state.waiting.reason", "")),
                str(get(status, "state.waiting.message", "")),
            )
            if reason in _IMAGE:
                words = f"{service} cannot pull its image {status.get('image')} ({reason})."
                yield claim(
                    service, "image_pull", 0.95, words, sign(pod, f"{reason}: {message}", "its image cannot be pulled")
                )
            elif reason in _COMMAND or text(status, "lastState.terminated.reason") in _COMMAND:
                said = message or str(get(status, "lastState.terminated.message", ""))
                yield claim(
                    service,
                    "bad_command",
                    0.94,
                    f"{service} cannot start its command: {said[:120]}",
                    sign(pod, f"{reason}: {said}", "the command does not run"),
                )
            elif reason == "CrashLoopBackOff" or number(status, "restartCount") >= RESTARTS:
                yield from _exits(service, pod, status)


def _exits(service: str, pod: Object, status: Object) -> Iterable[Claim]:
    ended = table(status, "lastState.terminated") or table(status, "state.terminated")
    code, count = ended.get("exitCode"), status.get("restartCount", 0)
    if ended.get("reason") == "OOMKilled" or (code == 137 and "oom" in str(ended).lower()):
        limit = next(
            (
                get(c, "resources.limits.memory")
                for c in rows(pod, "spec.containers")
                if c.get("name") == status.get("name")
            ),
            None,
        )
        yield claim(
            service,
            "oom_killed",
            0.95,
            f"{service} was killed for using more memory than its limit ({limit}), {count} times.",
            sign(pod, f"lastState OOMKilled, limit {limit}, restarts {count}", "it used more memory than it may"),
        )
        return
    looping = get(status, "state.waiting.reason") == "CrashLoopBackOff"
    yield claim(
        service,
        "crash_loop",
        0.78 if looping else 0.5,
        f"{service} starts and exits again and again (exit {code}, {count} restarts).",
        sign(
            pod, f"exit {code} {ended.get('reason', '')} {ended.get('message', '')}", "it exits soon after each start"
        ),
    )


def oom_events(cluster: Cluster) -> Iterable[Claim]:
    """A container that ended for lack of memory, even if it runs again."""
    for pod in cluster.all("Pod"):
        for status in _statuses(pod):
            now = get(status, "state.terminated.reason") == "OOMKilled"
            before = get(status, "lastState.terminated.reason") == "OOMKilled"
            looping = (
                get(status, "state.waiting.reason") == "CrashLoopBackOff" or number(status, "restartCount") >= RESTARTS
            )
            if (now or before) and not looping:
                service = cluster.service(cluster.workload(pod), labels_of(pod))
                yield claim(
                    service,
                    "oom_killed",
                    0.9,
                    f"{service} was killed for using more memory than its limit.",
                    sign(pod, "terminated: OOMKilled", "it used more memory than it may"),
                )


def pending(cluster: Cluster) -> Iterable[Claim]:
    """Pods that no node takes, with the scheduler's reason."""
    told = [(e, cluster.subject(e), str(e.get("message", ""))) for e in cluster.events("FailedScheduling")]
    for pod in cluster.all("Pod"):
        for condition in rows(pod, "status.conditions"):
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                told.append((pod, cluster.workload(pod), str(condition.get("message", ""))))
    for source, workload, message in told:
        kinds = [(m.start(), kind) for kind, pattern in _UNSCHEDULABLE if (m := pattern.search(message))]
        kind = next((k for _, k in sorted(kinds, key=lambda p: p[1] == "untolerated_taint")), "unschedulable")
        service = cluster.service(workload, labels_of(source))
        yield claim(
            service,
            kind,
            0.9,
            f"No node takes the pods of {service}: {message[:160]}",
            sign(source, message, "it cannot be scheduled"),
        )


def probes(cluster: Cluster) -> Iterable[Claim]:
    """A probe that asks a port on which the container does not listen."""
    for workload in cluster.all("Deployment", "StatefulSet", "DaemonSet"):
        for container in rows(workload, "spec.template.spec.containers"):
            heard = texts(rows(container, "ports"), "containerPort", "name")
            for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
                port = text(container, f"{kind}.httpGet.port") or text(container, f"{kind}.tcpSocket.port")
                if not port or not heard or port in heard:
                    continue
                service = cluster.service(name_of(workload), labels_of(workload))
                yield claim(
                    service,
                    "probe_misconfigured",
                    0.92,
                    f"The {kind} of {service} asks port {port}, but the container listens on {', '.join(sorted(heard))}.",
                    sign(workload, f"{kind} port {port}", "the probe can never succeed"),
                )


def unhealthy(cluster: Cluster) -> Iterable[Claim]:
    """Probes that fail, by their events: the path is wrong (404), nothing listens (refused), or it is too slow."""
    for event in cluster.events("Unhealthy", "ProbeWarning"):
        message = str(event.get("message", ""))
        service = cluster.service(cluster.subject(event))
        sure = 0.82 if re.search(r"statuscode: 4\d\d", message, re.I) else 0.55
        yield claim(
            service,
            "probe_misconfigured" if sure > 0.6 else "probe_failing",
            sure,
            f"A probe of {service} fails: {message[:140]}",
            sign(event, message, "its probe fails"),
        )


def scaled_down(cluster: Cluster) -> Iterable[Claim]:
    """A workload with a service in front and no replicas wanted, or one that is paused."""
    for workload in cluster.all("Deployment", "StatefulSet"):
        labels = labels_of(table(workload, "spec.template"))
        served = [
            s
            for s in cluster.all("Service")
            if space_of(s) == space_of(workload)
            and get(s, "spec.selector")
            and matches(table(s, "spec.selector"), labels)
        ]
        if get(workload, "spec.replicas", 1) == 0 and (served or not cluster.listed("Service")):
            service = cluster.service(name_of(workload), labels)
            yield claim(
                service,
                "scaled_to_zero",
                0.9,
                f"{service} is scaled to zero replicas.",
                sign(workload, "spec.replicas 0", "nobody is there to answer"),
            )


def _statuses(pod: Object) -> list[Object]:
    return [*rows(pod, "status.initContainerStatuses"), *rows(pod, "status.containerStatuses")]


CHECKS = (waiting, oom_events, pending, probes, unhealthy, scaled_down)
