"""A small cluster as its API returns it: three workloads with services, settings, a node, and nothing wrong."""

from __future__ import annotations

import copy
from typing import Any

from domain.bundle import Bundle, Edge

APPS = {"web": 8080, "cart": 7070, "redis": 6379}
EDGES = (Edge(caller="web", callee="cart"), Edge(caller="cart", callee="redis"))


def meta(name: str, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """metadata."""
    return {"name": name, "namespace": "shop", "labels": labels or {"app": name}, **more}


def container(app: str) -> dict[str, Any]:
    """One container of one app."""
    return {
        "name": app,
        "image": f"registry.example/{app}:1.4.2",
        "ports": [{"containerPort": APPS[app], "name": "main", "protocol": "TCP"}],
        "env": [
            {"name": "CART_ADDR", "value": "cart:7070"},
            {"name": "REDIS_HOST", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "redis-host"}}},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "tokens", "key": "token"}}},
        ],
        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "main"}},
        "livenessProbe": {"tcpSocket": {"port": APPS[app]}},
    }


def objects() -> dict[str, dict[str, Any]]:
    """Objects by `Kind/name`."""
    found: list[dict[str, Any]] = [
        {"kind": "ConfigMap", "metadata": meta("settings"), "data": {"redis-host": "redis", "mode": "fast"}},
        {"kind": "Secret", "metadata": meta("tokens"), "type": "Opaque", "data": {"token": "eA=="}},
        {
            "kind": "Node",
            "metadata": {"name": "node-1", "labels": {"disk": "ssd"}},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "MemoryPressure", "status": "False"}]
            },
        },
        {
            "kind": "Ingress",
            "metadata": meta("front"),
            "spec": {
                "rules": [
                    {
                        "http": {
                            "paths": [{"path": "/", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]
                        }
                    }
                ]
            },
        },
        {
            "kind": "Event",
            "metadata": meta("web.1"),
            "reason": "Pulled",
            "message": "Successfully pulled image",
            "involvedObject": {"kind": "Pod", "name": "web-7c9d8b6f5-x2x4z", "namespace": "shop"},
        },
    ]
    for app in APPS:
        spec = {"containers": [container(app)], "serviceAccountName": "default"}
        template = {"metadata": {"labels": {"app": app}}, "spec": spec}
        replica = f"{app}-7c9d8b6f5"
        found += [
            {
                "kind": "Deployment",
                "metadata": meta(app),
                "status": {"readyReplicas": 1, "replicas": 1},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": app}}, "template": template},
            },
            {
                "kind": "ReplicaSet",
                "metadata": meta(replica, {"app": app}, ownerReferences=[{"kind": "Deployment", "name": app}]),
            },
            {
                "kind": "Service",
                "metadata": meta(app),
                "spec": {
                    "selector": {"app": app},
                    "ports": [{"port": 80 if app == "web" else APPS[app], "targetPort": APPS[app]}],
                },
            },
            {
                "kind": "Pod",
                "metadata": meta(
                    f"{replica}-x2x4z", {"app": app}, ownerReferences=[{"kind": "ReplicaSet", "name": replica}]
                ),
                "spec": spec | {"nodeName": "node-1"},
                "status": {
                    "phase": "Running",
                    "conditions": [{"type": "PodScheduled", "status": "True"}],
                    "containerStatuses": [
                        {
                            "name": app,
                            "ready": True,
                            "restartCount": 0,
                            "image": f"registry.example/{app}:1.4.2",
                            "state": {"running": {}},
                        }
                    ],
                },
            },
        ]
    return {f"{o['kind']}/{o['metadata']['name']}": copy.deepcopy(o) for o in found}


def pod(app: str) -> str:
    """The key of an app's pod."""
    return f"Pod/{app}-7c9d8b6f5-x2x4z"


def event(reason: str, message: str, name: str, kind: str = "Pod") -> dict[str, Any]:
    """A warning about an object."""
    return {
        "kind": "Event",
        "type": "Warning",
        "metadata": meta(f"{name}.17"),
        "reason": reason,
        "message": message,
        "involvedObject": {"kind": kind, "name": name, "namespace": "shop"},
    }


def cluster(found: dict[str, dict[str, Any]], **more: Any) -> Bundle:
    """A bundle that holds only the platform's state."""
    fields: dict[str, Any] = {"services": tuple(APPS), "edges": EDGES}
    return Bundle(id="cluster", platform=tuple(found.values()), **(fields | more))
