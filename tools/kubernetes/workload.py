"""A deployment as its objects tell: what it runs, which revision it is, and whether its rollout has ended. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from domain.value import digest

Object = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""The annotation that kubectl's own restart sets."""
_HASH = "pod-template-hash"


def facts_of(deployment: Object) -> dict[str, Any]:
    """{name, uid, replicas, images: {container: image}, template, revision, restarted_at, ready, complete}."""
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    wanted, meta = int(spec.get("replicas", 1)), deployment["metadata"]
    template = spec.get("template") or {}
    return {
        "name": meta["name"],
        "uid": meta.get("uid"),
        "replicas": wanted,
        "images": {c["name"]: c["image"] for c in (template.get("spec") or {}).get("containers") or []},
        "template": template_digest(template),
        "revision": revision_of(deployment),
        "restarted_at": ((template.get("metadata") or {}).get("annotations") or {}).get(RESTARTED),
        "ready": int(status.get("readyReplicas") or 0),
        "complete": _complete(meta, status, wanted),
    }


def _complete(meta: Mapping[str, Any], status: Mapping[str, Any], wanted: int) -> bool:
    """As `kubectl rollout status` decides: seen by the controller, all updated, no old ones left, all available."""
    counts = [int(status.get(key) or 0) for key in ("updatedReplicas", "replicas", "availableReplicas")]
    return int(status.get("observedGeneration") or 0) >= int(meta.get("generation") or 0) and counts == [wanted] * 3


def revision_of(thing: Object) -> int:
    """The revision that the deployment controller wrote on it; 0 when it has not."""
    text = str((thing["metadata"].get("annotations") or {}).get(REVISION, "0"))
    return int(text) if text.isdigit() else 0


def plain_template(template: Object) -> Object:
    """A pod template without what the controller adds to it."""
    meta = {k: v for k, v in (template.get("metadata") or {}).items() if v is not None}
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k != _HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


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


def revisions(replica_sets: Iterable[Object]) -> dict[int, Object]:
    """Revision → pod template, of a deployment's replica sets."""
    return {revision_of(r): plain_template(r["spec"]["template"]) for r in replica_sets if revision_of(r)}


def controller_of(pod: Object) -> str:
    """Name of the object that would make the pod again, or nothing."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(o["name"]) for o in owners if o.get("controller")), "")


def set_of(pod_name: str) -> str:
    """The name of the controller that a pod's generated name begins with; also for a pod that is gone."""
    return re.sub(r"-[a-z0-9]+$", "", pod_name)


def pod_ready(pod: Object) -> bool:
    """Whether its Ready condition holds."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def repository_of(image: str) -> str:
    """The image's name without tag and digest: `registry:5000/shop/web:1@sha256:…` → `registry:5000/shop/web`."""
    plain = image.partition("@")[0]
    head, mark, tail = plain.rpartition(":")
    return head if mark and "/" not in tail else plain
