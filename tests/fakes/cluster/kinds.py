"""The resources that the server knows, as discovery tells them."""

from __future__ import annotations

from dataclasses import dataclass

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@dataclass(frozen=True)
class Resource:
    """One resource: `deployments` of `apps/v1`."""

    group: str
    version: str
    plural: str
    kind: str
    short: str = ""
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> str:
        """`deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def listed(self) -> list[dict[str, object]]:
        """Its rows of discovery, subresources included."""
        row = {"name": self.plural, "singularName": self.kind.lower(), "namespaced": self.namespaced, "kind": self.kind}
        rows = [{**row, "verbs": VERBS, **({"shortNames": [self.short]} if self.short else {})}]
        for sub, kind, verbs in SUBRESOURCES.get(self.key, ()):
            rows.append({**row, "name": f"{self.plural}/{sub}", "kind": kind, "verbs": verbs})
        return rows


SUBRESOURCES: dict[str, tuple[tuple[str, str, list[str]], ...]] = {
    "pods": (("log", "Pod", ["get"]), ("eviction", "Eviction", ["create"])),
    "deployments.apps": (("scale", "Scale", ["get", "patch", "update"]), ("status", "Deployment", ["get"])),
    "statefulsets.apps": (("scale", "Scale", ["get", "patch", "update"]), ("status", "StatefulSet", ["get"])),
    "replicasets.apps": (("scale", "Scale", ["get", "patch", "update"]),),
}

_RBAC, _APPS, _NET = "rbac.authorization.k8s.io", "apps", "networking.k8s.io"
RESOURCES = (
    Resource("", "v1", "namespaces", "Namespace", "ns", False),
    Resource("", "v1", "nodes", "Node", "no", False),
    Resource("", "v1", "pods", "Pod", "po"),
    Resource("", "v1", "services", "Service", "svc"),
    Resource("", "v1", "endpoints", "Endpoints", "ep"),
    Resource("", "v1", "configmaps", "ConfigMap", "cm"),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "events", "Event", "ev"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", "sa"),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "pvc"),
    Resource(_APPS, "v1", "deployments", "Deployment", "deploy"),
    Resource(_APPS, "v1", "replicasets", "ReplicaSet", "rs"),
    Resource(_APPS, "v1", "statefulsets", "StatefulSet", "sts"),
    Resource(_APPS, "v1", "daemonsets", "DaemonSet", "ds"),
    Resource(_APPS, "v1", "controllerrevisions", "ControllerRevision"),
    Resource("batch", "v1", "jobs", "Job"),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb"),
    Resource(_NET, "v1", "networkpolicies", "NetworkPolicy", "netpol"),
    Resource(_NET, "v1", "ingresses", "Ingress", "ing"),
    Resource(_RBAC, "v1", "roles", "Role"),
    Resource(_RBAC, "v1", "rolebindings", "RoleBinding"),
    Resource(_RBAC, "v1", "clusterroles", "ClusterRole", "", False),
    Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", "", False),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "crd", False),
)
BY_PATH = {(r.group, r.version, r.plural): r for r in RESOURCES}
BY_KIND = {r.kind: r for r in RESOURCES}
GROUPS = sorted({r.group for r in RESOURCES if r.group} | {"authorization.k8s.io"})
REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
