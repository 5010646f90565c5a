"""Platform objects indexed: by kind and name, pods with their workload, labels against selectors.

Untrusted input: every look into an object tolerates missing and odd fields (`get` with a path returns a default).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from agents.perception.claim import Claim, Sign
from agents.perception.facts import Facts

Object = Mapping[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob")
_GENERATED = re.compile(r"(-[a-f0-9]{6,10})?(-[a-z0-9]{5})?$")


def get(value: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path of nested objects, or the default."""
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return default
        value = value[part]
    return default if value is None else value


def table(value: Any, path: str) -> dict[str, Any]:
    """The object at a path; empty where it is missing or anything else."""
    found = get(value, path)
    return {str(k): v for k, v in found.items()} if isinstance(found, Mapping) else {}


def text(value: Any, path: str) -> str:
    """The text at a path; empty where it is missing or no scalar."""
    found = get(value, path, "")
    return "" if isinstance(found, Mapping | list) else str(found)


def number(value: Any, path: str, default: float = 0.0) -> float:
    """The number at a path, or the default."""
    found = get(value, path, default)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else default


def texts(ones: Iterable[Any], *keys: str) -> set[str]:
    """What stands in these fields, as text, without the empty ones."""
    return {text(one, key) for one in ones for key in keys} - {""}


def rows(value: Any, path: str) -> list[Object]:
    """The objects in a list at a path; anything else is left out."""
    found = get(value, path, [])
    return [x for x in found if isinstance(x, Mapping)] if isinstance(found, list) else []


def name_of(one: Object) -> str:
    """metadata.name."""
    return str(get(one, "metadata.name", ""))


def space_of(one: Object) -> str:
    """metadata.namespace, `default` when left out."""
    return str(get(one, "metadata.namespace", "default"))


def labels_of(one: Object) -> dict[str, str]:
    """metadata.labels as text."""
    return {k: str(v) for k, v in table(one, "metadata.labels").items()}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Equality-based and set-based label selection (`matchLabels`, `matchExpressions`, or a plain map)."""
    plain = table(selector, "matchLabels") if {"matchLabels", "matchExpressions"} & selector.keys() else selector
    if not all(labels.get(str(k)) == str(v) for k, v in plain.items()):
        return False
    for rule in rows(selector, "matchExpressions"):
        key, values = str(rule.get("key")), _scalars(rule, "values")
        present = key in labels
        within = labels.get(key) in values
        fits = {
            "In": within,
            "NotIn": not within,
            "Exists": present,
            "DoesNotExist": not present,
        }
        if not fits.get(str(rule.get("operator")), True):
            return False
    return True


def _scalars(value: Any, path: str) -> list[str]:
    found = get(value, path)
    return [str(v) for v in found if not isinstance(v, Mapping | list)] if isinstance(found, list) else []


class Cluster:
    """Objects of one bundle. Built once per diagnosis."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._kinds: dict[str, list[Object]] = defaultdict(list)
        for one in facts.bundle.platform:
            self._kinds[str(one.get("kind", ""))].append(one)

    def all(self, *kinds: str) -> list[Object]:
        """Objects of these kinds."""
        return [o for kind in kinds for o in self._kinds.get(kind, [])]

    def find(self, kind: str, name: str, space: str) -> Object | None:
        """One object by name."""
        return next((o for o in self.all(kind) if name_of(o) == name and space_of(o) == space), None)

    def listed(self, kind: str) -> bool:
        """Was this kind read at all? Only then does absence mean something."""
        return bool(self._kinds.get(kind))

    def events(self, *reasons: str) -> Iterable[Object]:
        """Events with one of these reasons; all when none is given."""
        return (e for e in self.all("Event") if not reasons or str(e.get("reason")) in reasons)

    def templates(self, space: str) -> Iterable[tuple[str, Object, dict[str, str]]]:
        """(workload, pod spec, labels) of every workload in the namespace, and of pods whose workload is not listed."""
        told = set()
        for workload in self.all("Deployment", "StatefulSet", "DaemonSet"):
            if space_of(workload) == space:
                template = table(workload, "spec.template")
                told.add(name_of(workload))
                yield name_of(workload), table(template, "spec"), labels_of(template)
        for pod in self.all("Pod"):
            if space_of(pod) == space and self.workload(pod) not in told:
                yield self.workload(pod), table(pod, "spec"), labels_of(pod)

    def workload(self, pod: Object) -> str:
        """The name of what made this pod: its owner's owner, or its own name without the generated ends."""
        owners = rows(pod, "metadata.ownerReferences")
        if not owners:
            return _GENERATED.sub("", name_of(pod)) if get(pod, "metadata.generateName") else name_of(pod)
        owner = owners[0]
        if owner.get("kind") != "ReplicaSet":
            return str(owner.get("name", ""))
        replica = self.find("ReplicaSet", str(owner.get("name")), space_of(pod))
        above = rows(replica, "metadata.ownerReferences") if replica else []
        return str(above[0].get("name")) if above else re.sub(r"-[a-z0-9]{5,10}$", "", str(owner.get("name", "")))

    def subject(self, event: Object) -> str:
        """The workload or object that an event is about."""
        about = table(event, "involvedObject") or table(event, "regarding")
        name, space = str(about.get("name", "")), str(about.get("namespace", "default"))
        if about.get("kind") == "Pod":
            pod = self.find("Pod", name, space)
            return self.workload(pod) if pod else _GENERATED.sub("", name)
        if about.get("kind") == "ReplicaSet":
            return re.sub(r"-[a-z0-9]{5,10}$", "", name)
        return name

    def service(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """The name by which the incident calls a workload: its own, its app label's, or its own when neither is known."""
        known = self.facts.bundle.services
        for candidate in (name, (labels or {}).get("app", ""), (labels or {}).get("app.kubernetes.io/name", "")):
            if candidate and candidate in known:
                return candidate
        near = [s for s in known if s and (name.startswith(f"{s}-") or s.startswith(f"{name}-"))]
        return max(near, key=len) if near else name


def claim(service: str, kind: str, strength: float, statement: str, *signs: Sign, look: str = "") -> Claim:
    """A contradiction between objects: it stands there now, so the claim is direct."""
    return Claim(
        service=service, fault_class=kind, strength=strength, direct=True, statement=statement, signs=signs, indicator="platform",
        falsify=look or f"`kubectl describe` of {service} shows the objects in agreement", details={"cause": kind},
        probe=("process_state", service, "nothing unusual"),
    )  # fmt: skip


def sign(one: Object, excerpt: str, supports: str) -> Sign:
    """An object's field as evidence; what objects say is untrusted."""
    kind = str(one.get("kind", "object"))
    return Sign(
        kind="event" if kind == "Event" else "state", source=f"{kind}:{space_of(one)}/{name_of(one)}", service=name_of(one),
        excerpt=excerpt[:240], supports=supports, tainted=True,
    )  # fmt: skip
