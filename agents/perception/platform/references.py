"""What pods refer to must exist: config maps, secrets and their keys, volumes, service accounts, scale targets."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.perception.claim import Claim
from agents.perception.platform.objects import (
    WORKLOADS,
    Cluster,
    Object,
    claim,
    get,
    labels_of,
    name_of,
    rows,
    sign,
    space_of,
    table,
    text,
    texts,
)

Reference = tuple[str, str, str]
"""(kind, name, key or '')."""
_MISSING = re.compile(r'(configmap|secret|persistentvolumeclaim|serviceaccount)s? "?([\w.-]+)"? not found', re.I)
_KEY = re.compile(r"couldn't find key (\S+) in (ConfigMap|Secret) \S*?/?([\w.-]+)", re.I)
_CLASSES = {
    "ConfigMap": "missing_config_map",
    "Secret": "missing_secret",
    "PersistentVolumeClaim": "missing_volume_claim",
    "ServiceAccount": "missing_service_account",
}


def missing(cluster: Cluster) -> Iterable[Claim]:
    """References to objects or keys that are not there, of kinds that were read."""
    for workload in cluster.all("Deployment", "StatefulSet", "DaemonSet", "Job", "Pod"):
        spec = get(workload, "spec.template.spec", table(workload, "spec"))
        owner = cluster.workload(workload) if workload.get("kind") == "Pod" else name_of(workload)
        for kind, name, key in dict.fromkeys(references(spec)):
            if not cluster.listed(kind):
                continue
            target = cluster.find(kind, name, space_of(workload))
            held = {
                **table(target, "data"),
                **table(target, "stringData"),
                **table(target, "binaryData"),
            }
            if target is None:
                words = f"{owner} refers to {kind} {name}, which does not exist."
            elif key and held and key not in held:
                words = f"{owner} refers to key {key} of {kind} {name}, which has only {', '.join(sorted(held))[:80]}."
            else:
                continue
            yield claim(
                cluster.service(owner, labels_of(workload)),
                _CLASSES[kind],
                0.94,
                words,
                sign(workload, f"refers to {kind} {name} {key}".strip(), "what it refers to is not there"),
            )


def told(cluster: Cluster) -> Iterable[Claim]:
    """What the kubelet says it misses, in events and waiting states."""
    told_by = [(e, cluster.subject(e), str(e.get("message", ""))) for e in cluster.events()]
    for pod in cluster.all("Pod"):
        for status in [*rows(pod, "status.initContainerStatuses"), *rows(pod, "status.containerStatuses")]:
            told_by.append((pod, cluster.workload(pod), str(get(status, "state.waiting.message", ""))))
    kinds = {k.lower(): k for k in _CLASSES}
    for source, owner, said in told_by:
        found, key = _MISSING.search(said), _KEY.search(said)
        if found is None and key is None:
            continue
        kind = kinds[found.group(1).lower()] if found else kinds[key.group(2).lower()] if key else ""
        service = cluster.service(owner, labels_of(source))
        yield claim(
            service,
            _CLASSES[kind],
            0.95,
            f"{service} misses something it refers to: {said[:160]}",
            sign(source, said, "what it refers to is not there"),
        )


def claims_pending(cluster: Cluster) -> Iterable[Claim]:
    """Volume claims that stay unbound or lost, with the storage class that does not exist."""
    classes = {name_of(c) for c in cluster.all("StorageClass")}
    for volume in cluster.all("PersistentVolumeClaim"):
        phase, wanted = text(volume, "status.phase"), text(volume, "spec.storageClassName")
        if phase not in ("Pending", "Lost"):
            continue
        users = [
            w
            for w, spec, _ in cluster.templates(space_of(volume))
            if name_of(volume) in texts(rows(spec, "volumes"), "persistentVolumeClaim.claimName")
        ]
        service = cluster.service(users[0] if users else name_of(volume))
        unknown = f": storage class {wanted} does not exist" if classes and wanted and wanted not in classes else ""
        yield claim(
            service,
            "volume_pending",
            0.95 if unknown else 0.88,
            f"The volume claim {name_of(volume)} of {service} is {phase}{unknown}.",
            sign(volume, f"phase {phase}, storageClassName {wanted}", "its volume cannot be bound"),
        )


def scale_targets(cluster: Cluster) -> Iterable[Claim]:
    """Autoscalers whose target does not exist, that cannot measure, or that are at their limit."""
    for scaler in cluster.all("HorizontalPodAutoscaler"):
        target = table(scaler, "spec.scaleTargetRef")
        kind, name = str(target.get("kind", "")), str(target.get("name", ""))
        service = cluster.service(name)
        if kind in WORKLOADS and cluster.listed(kind) and cluster.find(kind, name, space_of(scaler)) is None:
            yield claim(
                service,
                "autoscaler_target",
                0.9,
                f"The autoscaler {name_of(scaler)} scales {kind} {name}, which does not exist.",
                sign(scaler, f"scaleTargetRef {kind}/{name}", "it scales nothing"),
            )
        for condition in rows(scaler, "status.conditions"):
            state = (condition.get("type"), condition.get("status"))
            if state == ("ScalingActive", "False"):
                yield claim(
                    service,
                    "autoscaler_blind",
                    0.7,
                    f"The autoscaler of {service} cannot measure: {condition.get('message')}",
                    sign(scaler, str(condition.get("message")), "it does not scale"),
                )
            elif state == ("ScalingLimited", "True") and str(condition.get("reason")) == "TooManyReplicas":
                most = get(scaler, "spec.maxReplicas")
                yield claim(
                    service,
                    "autoscaler_at_limit",
                    0.72,
                    f"{service} needs more than the {most} replicas that its autoscaler may start.",
                    sign(scaler, str(condition.get("message")), "it may not grow further"),
                )


def references(spec: Object) -> Iterable[Reference]:
    """Everything a pod spec refers to and that is not optional."""
    for container in [*rows(spec, "initContainers"), *rows(spec, "containers")]:
        for row in rows(container, "env"):
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                ref = get(row, f"valueFrom.{field}")
                if isinstance(ref, dict) and not ref.get("optional"):
                    yield kind, str(ref.get("name")), str(ref.get("key", ""))
        for row in rows(container, "envFrom"):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                ref = row.get(field)
                if isinstance(ref, dict) and not ref.get("optional"):
                    yield kind, str(ref.get("name")), ""
    for volume in rows(spec, "volumes"):
        for field, key, kind in (
            ("configMap", "name", "ConfigMap"),
            ("secret", "secretName", "Secret"),
            ("persistentVolumeClaim", "claimName", "PersistentVolumeClaim"),
        ):
            ref = volume.get(field)
            if isinstance(ref, dict) and not ref.get("optional"):
                yield kind, str(ref.get(key)), ""
    account = text(spec, "serviceAccountName")
    if account not in ("", "default"):
        yield "ServiceAccount", str(account), ""


CHECKS = (missing, told, claims_pending, scale_targets)
