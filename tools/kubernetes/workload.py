"""A workload as its objects tell: what it runs, which revision it is, and which pods are its own. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from domain.value import digest
from domain.workloads import complete, held_back, named, ready_pods, wanted_pods
from tools.kubernetes.kinds import KINDS, Kind

Object = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""The annotation that kubectl's own restart sets."""
HASHES = ("pod-template-hash", "controller-revision-hash")
"""Labels by which controllers tell the pods of one template from those of another."""
KEPT_AS = {"Deployment": "ReplicaSet", "StatefulSet": "ControllerRevision", "DaemonSet": "ControllerRevision"}
"""Kind of a workload → kind of the objects that keep its former templates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A workload by kind and name."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.name.lower()} {self.name}"

    @property
    def word(self) -> str:
        """As domain.cluster.WorkloadName says it: `web`, `statefulset/db`."""
        return self.name if self.kind.name == "Deployment" else f"{self.kind.name.lower()}/{self.name}"

    @property
    def kept_as(self) -> Kind:
        """The kind that keeps its former templates."""
        return KINDS[KEPT_AS[self.kind.name]]


def workload_named(word: str) -> Named:
    """The workload that a WorkloadName means."""
    kind, name = named(word)
    return Named(kind=KINDS[kind], name=name)


def facts_of(workload: Object, kept: Iterable[Object] = ()) -> dict[str, Any]:
    """{kind, name, uid, replicas, images: {container: image}, template, revision, restarted_at, ready, complete, held}.

    `kept` are its former templates; only a deployment says its revision without them.
    """
    meta, template = workload["metadata"], (workload.get("spec") or {}).get("template") or {}
    return {
        "kind": workload["kind"],
        "name": meta["name"],
        "uid": meta.get("uid"),
        "replicas": wanted_pods(workload),
        "images": {c["name"]: c["image"] for c in (template.get("spec") or {}).get("containers") or []},
        "template": template_digest(template),
        "revision": _current(workload, kept),
        "restarted_at": ((template.get("metadata") or {}).get("annotations") or {}).get(RESTARTED),
        "ready": ready_pods(workload),
        "complete": complete(workload),
        "held": held_back(workload),
    }


def _current(workload: Object, kept: Iterable[Object]) -> int:
    """The revision that runs, or is being rolled out; 0 where the controller has not numbered it."""
    if workload["kind"] == "Deployment":
        return revision_of(workload)
    said = template_digest(workload["spec"]["template"])
    return max((n for n, template in revisions(kept).items() if template_digest(template) == said), default=0)


def revision_of(thing: Object) -> int:
    """The revision that a controller wrote on it; 0 when it has not."""
    text = str(thing.get("revision") or (thing["metadata"].get("annotations") or {}).get(REVISION, "0"))
    return int(text) if text.isdigit() else 0


def plain_template(template: Object) -> Object:
    """A pod template without what controllers add to it."""
    meta = {k: v for k, v in (template.get("metadata") or {}).items() if v is not None}
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k not in HASHES}
    return {**{k: v for k, v in template.items() if k != "$patch"}, "metadata": {**meta, "labels": labels}}


def template_digest(template: Object) -> str:
    """Twelve hex digits that name what a template says; empty and null fields, which clients add, do not count."""
    return digest(_said(plain_template(template)))[:12]


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: _said(part) for key, part in value.items()}
        return {key: part for key, part in found.items() if part not in (None, {}, [], "")}
    return [_said(part) for part in value] if isinstance(value, list) else value


def owned_by(things: Iterable[Object], uid: str | None) -> list[Object]:
    """Objects whose controller has this uid."""
    return [t for t in things if uid and any(o.get("uid") == uid for o in t["metadata"].get("ownerReferences") or [])]


def revisions(kept: Iterable[Object]) -> dict[int, Object]:
    """Revision → pod template, of a workload's replica sets or controller revisions."""
    specs = {revision_of(each): each.get("spec") or (each.get("data") or {}).get("spec") or {} for each in kept}
    return {number: plain_template(spec["template"]) for number, spec in specs.items() if number and "template" in spec}


def controller_of(pod: Object) -> str:
    """Name of the object that would make the pod again, or nothing."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(o["name"]) for o in owners if o.get("controller")), "")


def set_of(pod_name: str) -> str:
    """The name of the controller that a pod's generated name begins with; also for a pod that is gone."""
    return re.sub(r"-[a-z0-9]+$", "", pod_name)


def repository_of(image: str) -> str:
    """The image's name without tag and digest: `registry:5000/shop/web:1@sha256:…` → `registry:5000/shop/web`."""
    plain = image.partition("@")[0]
    head, mark, tail = plain.rpartition(":")
    return head if mark and "/" not in tail else plain
