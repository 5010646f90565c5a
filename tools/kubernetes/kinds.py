"""The kinds that we read and change, and where the API has them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of object."""

    name: str
    group: str = ""
    plural: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    readable: bool = True
    """False: its content is shown to nobody, as what it holds is secret or only a copy."""

    @property
    def key(self) -> str:
        """`deployments.apps`, `pods`: as permissions and discovery name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """`apps/v1`, `v1`."""
        return f"{self.group}/v1" if self.group else "v1"

    def path(self, namespace: str, name: str = "", sub: str = "") -> str:
        """The URL path of the collection, an object or one of its subresources."""
        root = f"/apis/{self.group}/v1" if self.group else "/api/v1"
        space = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced else ""
        tail = "".join(f"/{quote(part, safe='')}" for part in (name, sub) if part)
        return f"{root}{space}/{self.plural}{tail}"


_RBAC = "rbac.authorization.k8s.io"
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(name="Pod", plural="pods", short=("po", "pod")),
        Kind(name="Service", plural="services", short=("svc", "service")),
        Kind(name="Endpoints", plural="endpoints", short=("ep",)),
        Kind(name="ConfigMap", plural="configmaps", short=("cm", "configmap")),
        Kind(name="Secret", plural="secrets", short=("secret",), readable=False),
        Kind(name="Event", plural="events", short=("ev", "event")),
        Kind(name="ServiceAccount", plural="serviceaccounts", short=("sa", "serviceaccount")),
        Kind(name="PersistentVolumeClaim", plural="persistentvolumeclaims", short=("pvc",)),
        Kind(name="Node", plural="nodes", short=("no", "node"), namespaced=False),
        Kind(name="Deployment", group="apps", plural="deployments", short=("deploy", "deployment")),
        Kind(name="ReplicaSet", group="apps", plural="replicasets", short=("rs", "replicaset")),
        Kind(name="StatefulSet", group="apps", plural="statefulsets", short=("sts", "statefulset")),
        Kind(name="DaemonSet", group="apps", plural="daemonsets", short=("ds", "daemonset")),
        Kind(name="ControllerRevision", group="apps", plural="controllerrevisions", readable=False),
        Kind(name="Job", group="batch", plural="jobs", short=("job",)),
        Kind(
            name="NetworkPolicy",
            group="networking.k8s.io",
            plural="networkpolicies",
            short=("netpol", "networkpolicy"),
        ),
        Kind(name="Ingress", group="networking.k8s.io", plural="ingresses", short=("ing", "ingress")),
        Kind(name="Role", group=_RBAC, plural="roles", short=("role",)),
        Kind(name="RoleBinding", group=_RBAC, plural="rolebindings", short=("rolebinding",)),
    )
}


def kind_named(word: str) -> Kind | None:
    """The kind that a person means: `deploy`, `deployments`, `deployments.apps`, `Deployment`."""
    return next((k for k in KINDS.values() if word in (k.name, k.plural, k.key, *k.short)), None)
