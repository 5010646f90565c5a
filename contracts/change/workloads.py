"""Kubernetes objects, compose files, Terraform and images: what a change does to how the service runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from contracts.change.documents import DocumentError, documents
from contracts.change.files import ChangedFile, at, line_with
from contracts.change.terraform import is_terraform, terraform_findings
from contracts.draft import Doubt
from contracts.finding import Finding, Mark
from domain.risk import FactorName as F

_RIGHTS = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ServiceAccount", "PodSecurityPolicy"}
_PATHS = {
    "Ingress",
    "Service",
    "NetworkPolicy",
    "Gateway",
    "HTTPRoute",
    "VirtualService",
    "DestinationRule",
    "IngressRoute",
}
_STORES = {"PersistentVolume", "PersistentVolumeClaim", "StorageClass", "StatefulSet"}
_CONFIG = {"ConfigMap"}
_SIGNALS = {"PrometheusRule", "ServiceMonitor", "PodMonitor"}
_GUARDS = {"PodDisruptionBudget", "HorizontalPodAutoscaler", "LimitRange", "ResourceQuota"}
Key = tuple[str, str]


def workload_findings(files: Iterable[ChangedFile]) -> Iterator[Finding | Doubt]:
    """By what stands in the file; templates that are no YAML yet are named."""
    files = list(files)
    yield from terraform_findings([f for f in files if is_terraform(f)])
    for file in files:
        if file.name.startswith(("dockerfile", "containerfile")):
            yield _about(file, F.INFRASTRUCTURE, 15, "changes how the image is built", _first(file))
        elif file.suffix in (".yaml", ".yml") and file.kind == "text":
            yield from _yaml(file)


def _yaml(file: ChangedFile) -> Iterator[Finding | Doubt]:
    text = file.after or file.before or ""
    if "{{" in text and ("templates" in file.folders or "kind:" in text):
        yield _about(
            file, F.INFRASTRUCTURE, 30, "changes a template of Kubernetes objects", _first(file), Mark.INFRASTRUCTURE
        )
        yield f"{file.path}: a template, so its objects were not compared", 0.05
        return
    if not re.search(r"^(kind|services):", text, re.MULTILINE):
        return
    try:
        before, after = _objects(file.before), _objects(file.after)
    except DocumentError as error:
        yield f"{file.path}: not readable as YAML ({error})", 0.05
        return
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield from _object(file, key, before.get(key), after.get(key))


def _objects(text: str | None) -> dict[Key, Mapping[str, Any]]:
    found: dict[Key, Mapping[str, Any]] = {}
    for document in documents(text):
        if isinstance(document, dict) and isinstance(document.get("kind"), str):
            found[document["kind"], str((document.get("metadata") or {}).get("name"))] = document
        elif isinstance(document, dict) and isinstance(document.get("services"), dict):
            found |= {("compose service", str(n)): s for n, s in document["services"].items() if isinstance(s, dict)}
    return found


def _object(
    file: ChangedFile, key: Key, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Iterator[Finding]:
    kind, name = key
    line = line_with((file.after if new is not None else file.before) or "", name)
    verb = "adds" if old is None else ("removes" if new is None else "changes")
    said = f"{verb} {kind} {name}"
    mark = Mark.KUBERNETES if kind != "compose service" else Mark.INFRASTRUCTURE
    yield _about(file, *_by_kind(kind, removed=new is None), said, line, mark)
    if old is not None and new is not None:
        for factor, points, detail in _details(old, new):
            yield _about(file, factor, points, f"{said}: {detail}", line, mark)


def _by_kind(kind: str, *, removed: bool) -> tuple[F, float]:
    rows = (
        (_RIGHTS, F.PERMISSIONS, 35.0),
        (_PATHS, F.ROUTING, 30.0),
        (_STORES, F.STORAGE, 28.0),
        (_CONFIG, F.CONFIGURATION, 18.0),
    )
    factor, points = next(((f, p) for kinds, f, p in rows if kind in kinds), (F.INFRASTRUCTURE, 22.0))
    if kind == "Secret":
        factor, points = F.SECRETS, 30.0
    if kind in _SIGNALS and removed:
        factor, points = F.OBSERVABILITY, 25.0
    worse = removed and (kind in _STORES or kind in _GUARDS)
    return factor, points * (1.5 if worse else 1.0)


def _details(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[F, float, str]]:
    then, now = _replicas(old), _replicas(new)
    if then and now is not None and now < then:
        yield F.TRAFFIC, 25, f"{then} → {now} replicas"
    for name, container in _containers(old).items():
        other = _containers(new).get(name, {})
        for probe in ("readinessProbe", "livenessProbe", "healthcheck"):
            if container.get(probe) and other and not other.get(probe):
                yield F.OBSERVABILITY, 25, f"{name} loses its {probe}"
        if container.get("resources") != other.get("resources") and other:
            yield F.INFRASTRUCTURE, 20, f"{name} gets other resources"
        if (container.get("env"), container.get("environment")) != (
            other.get("env"),
            other.get("environment"),
        ) and other:
            yield F.CONFIGURATION, 18, f"{name} gets other variables"


def _replicas(document: Mapping[str, Any]) -> int | None:
    spec = document.get("spec")
    found = spec.get("replicas") if isinstance(spec, dict) else None
    return found if isinstance(found, int) else None


def _containers(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """By name; a compose service is its own container."""
    if "kind" not in document:
        return {"it": document}
    node: Any = document.get("spec")
    for key in ("template", "spec", "containers"):
        node = node.get(key) if isinstance(node, dict) else None
    return {str(c.get("name")): c for c in node if isinstance(c, dict)} if isinstance(node, list) else {}


def _about(file: ChangedFile, factor: F, points: float, said: str, line: int, *marks: Mark) -> Finding:
    return Finding(factor=factor, points=points, reason=said, where=[at(file, [line])], marks=frozenset(marks))


def _first(file: ChangedFile) -> int:
    lines = file.lines_added or file.lines_removed
    return lines[0][0] if lines else 1
