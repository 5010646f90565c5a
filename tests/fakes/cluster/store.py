"""All objects, their versions, and what changed since."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tests.fakes.cluster.kinds import BY_KIND, RESOURCES, Resource

Object = dict[str, Any]


class Refusal(Exception):
    """An answer that is no success: (HTTP status, reason, words)."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        super().__init__(text)
        self.status, self.reason, self.text = status, reason, text


def now() -> str:
    """As Kubernetes writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """Objects by resource, namespace and name. After every write the controllers of its namespace are run."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = 100
        self.log: list[tuple[int, str, str, Object]] = []
        """(version, resource key, ADDED | MODIFIED | DELETED, object), for watches."""
        self.changed = threading.Condition(self.lock)
        self.settle: Callable[[str], None] = lambda namespace: None
        """The controllers of one namespace."""
        self._objects: dict[str, dict[tuple[str, str], Object]] = {r.key: {} for r in RESOURCES}
        self._settling = False

    def all(self, kind: str, namespace: str | None = None) -> list[Object]:
        """Objects of a kind, the live ones: callers on the outside copy."""
        rows = self._objects[BY_KIND[kind].key]
        return [o for (space, _), o in sorted(rows.items()) if namespace in (None, space)]

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        return self._objects[BY_KIND[kind].key].get((namespace if BY_KIND[kind].namespaced else "", name))

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Raises Refusal 404."""
        found = self._objects[resource.key].get((namespace if resource.namespaced else "", name))
        if found is None:
            raise Refusal(404, "NotFound", f'{resource.key} "{name}" not found')
        return found

    def create(self, resource: Resource, namespace: str, body: Object, *, dry: bool = False) -> Object:
        """Raises Refusal 409 when the name is taken, 422 when there is none."""
        thing = copy.deepcopy(body)
        meta = thing.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        if not meta.get("name"):
            raise Refusal(422, "Invalid", f"{resource.kind} is invalid: metadata.name: Required value")
        space = namespace if resource.namespaced else ""
        if space:
            meta["namespace"] = space
            if self.find("Namespace", "", space) is None:
                raise Refusal(404, "NotFound", f'namespaces "{space}" not found')
        if (space, meta["name"]) in self._objects[resource.key]:
            raise Refusal(409, "AlreadyExists", f'{resource.key} "{meta["name"]}" already exists')
        thing = {"apiVersion": resource.api_version, "kind": resource.kind, **thing}
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
        self._check(thing)
        if not dry:
            self._put(resource, space, thing, "ADDED")
        return thing

    def replace(self, resource: Resource, namespace: str, name: str, body: Object, *, dry: bool = False) -> Object:
        """Raises Refusal 409 when the body's version is not the current one."""
        current = self.get(resource, namespace, name)
        thing = copy.deepcopy(body)
        meta = thing.setdefault("metadata", {})
        if meta.get("resourceVersion") not in (None, "", current["metadata"]["resourceVersion"]):
            text = f'Operation cannot be fulfilled on {resource.key} "{name}": the object has been modified'
            raise Refusal(409, "Conflict", text)
        thing = {"apiVersion": resource.api_version, "kind": resource.kind, **thing}
        kept = {
            key: current["metadata"][key]
            for key in ("uid", "creationTimestamp", "name", "namespace")
            if key in current["metadata"]
        }
        meta |= kept | {"generation": current["metadata"]["generation"] + (thing.get("spec") != current.get("spec"))}
        self._check(thing)
        if not dry and thing != current:
            self._put(resource, namespace if resource.namespaced else "", thing, "MODIFIED")
        return thing

    def delete(self, resource: Resource, namespace: str, name: str, *, dry: bool = False) -> Object:
        """Raises Refusal 404."""
        found = self.get(resource, namespace, name)
        if not dry:
            del self._objects[resource.key][(namespace if resource.namespaced else "", name)]
            self._note(resource, found, "DELETED")
            self._settled(found["metadata"].get("namespace", ""))
        return found

    def touch(self, thing: Object) -> None:
        """A controller changed this object in place."""
        resource = BY_KIND[thing["kind"]]
        self._put(resource, thing["metadata"].get("namespace", "") if resource.namespaced else "", thing, "MODIFIED")

    def since(self, version: int, key: str) -> Iterator[tuple[int, str, Object]]:
        """Changes of a resource after that version."""
        for number, changed, what, thing in self.log:
            if number > version and changed == key:
                yield number, what, thing

    def _put(self, resource: Resource, space: str, thing: Object, what: str) -> None:
        self._objects[resource.key][(space, thing["metadata"]["name"])] = thing
        self._note(resource, thing, what)
        self._settled(space)

    def _note(self, resource: Resource, thing: Object, what: str) -> None:
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        self.log.append((self.version, resource.key, what, copy.deepcopy(thing)))
        self.changed.notify_all()

    @contextmanager
    def together(self, namespace: str) -> Iterator[None]:
        """Several writes before the controllers look."""
        with self.lock:
            self._settling = True
            try:
                yield
            finally:
                self._settling = False
            self._settled(namespace)

    def _settled(self, namespace: str) -> None:
        """Run the controllers until nothing changes any more."""
        if self._settling or not namespace:
            return
        self._settling = True
        try:
            for _ in range(20):
                before = self.version
                self.settle(namespace)
                if self.version == before:
                    return
        finally:
            self._settling = False

    @staticmethod
    def _check(thing: Object) -> None:
        """What the real server refuses and a mistaken repair would send."""
        if thing["kind"] not in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"):
            return
        spec = thing.get("spec") or {}
        wanted = (spec.get("selector") or {}).get("matchLabels") or {}
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
        containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or []
        problem = ""
        if not wanted or any(labels.get(k) != v for k, v in wanted.items()):
            problem = "spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`"
        elif not containers or any(not c.get("image") or not c.get("name") for c in containers):
            problem = "spec.template.spec.containers: Required value"
        elif not isinstance(spec.get("replicas", 1), int) or spec.get("replicas", 1) < 0:
            problem = "spec.replicas: Invalid value: must be greater than or equal to 0"
        if problem:
            raise Refusal(422, "Invalid", f'{thing["kind"]}.apps "{thing["metadata"]["name"]}" is invalid: {problem}')
