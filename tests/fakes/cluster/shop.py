"""A shop in one namespace of the test cluster: web pods that need a database, settings, a network policy and a role."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.cluster.kinds import BY_KIND
from tests.fakes.cluster.server import ADMIN, ClusterServer

Object = dict[str, Any]


def deployment(name: str, image: str, **container: Any) -> Object:
    """Two pods of one container `app`."""
    labels = {"app": name}
    spec = {"serviceAccountName": name, "containers": [{"name": "app", "image": image, **container}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    body = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, "labels": labels}, "spec": body}


@dataclass
class Shop:
    """The namespace, as a test looks at it and breaks it."""

    cluster: ClusterServer
    folder: Path
    namespace: str

    @classmethod
    def made(cls, cluster: ClusterServer, folder: Path) -> Shop:
        """A fresh namespace, named after the folder, in which everything serves."""
        namespace = "shop-" + "".join(c if c.isalnum() else "-" for c in folder.name.lower())[-40:].strip("-")
        cluster.put("Namespace", "", {"metadata": {"name": namespace}})
        shop = cls(cluster, folder, namespace)
        with cluster.store.together(namespace):
            shop.furnish()
        return shop

    def furnish(self) -> None:
        """Everything that the shop consists of."""
        closed = {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"], "ingress": []}
        web = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"protocol": "TCP", "port": 5433}]}
        reader = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
        for account in ("web", "db"):
            self.put("ServiceAccount", {"metadata": {"name": account}})
        self.put("ConfigMap", {"metadata": {"name": "settings"}, "data": {"MODE": "slow", "TOKEN": "hunter22"}})
        self.put("Secret", {"metadata": {"name": "keys"}, "data": {"password": "aHVudGVyMjI="}})
        self.put("Role", {"metadata": {"name": "reader"}, "rules": [reader]})
        self.put("NetworkPolicy", {"metadata": {"name": "closed"}, "spec": {**closed, "ingress": [web]}})
        self.put("Deployment", deployment("db", "postgres:16", ports=[{"containerPort": 5432}]))
        for name, number in (("db", 5432), ("web", 8080)):
            spec = {"selector": {"app": name}, "ports": [{"port": number}]}
            self.put("Service", {"metadata": {"name": name}, "spec": spec})
        mode = {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "MODE"}}}
        self.put("Deployment", deployment("web", "shop/web:1", env=[mode], ports=[{"containerPort": 8080}]))

    def put(self, kind: str, body: Object) -> Object:
        return self.cluster.put(kind, self.namespace, body)

    def get(self, kind: str, name: str) -> Object:
        return self.cluster.get(kind, self.namespace, name)

    def change(self, kind: str, name: str, how: Callable[[Object], Any]) -> None:
        """Change an object, as somebody with kubectl would."""
        with self.cluster.store.lock:
            thing = self.get(kind, name)
            how(thing)
            self.cluster.store.replace(BY_KIND[kind], self.namespace, name, thing)

    def pods(self, app: str) -> list[Object]:
        with self.cluster.store.lock:
            found = self.cluster.store.all("Pod", self.namespace)
            return [p for p in found if p["metadata"]["labels"].get("app") == app]

    def objects(self) -> list[str]:
        """Everything of the namespace as text, for comparing."""
        with self.cluster.store.lock:
            found = [o for kind in BY_KIND for o in self.cluster.store.all(kind, self.namespace)]
            return [json.dumps(o, sort_keys=True) for o in found]

    def write_target(self, token: str = ADMIN, **more: Any) -> Path:
        """A TARGET file for the namespace; `more` are fields of its section `kubernetes`."""
        self.cluster.kubeconfig(self.folder, token, self.namespace)
        access = {"kubeconfig": "kubeconfig", "namespace": self.namespace, **more}
        file = self.folder / "target.yaml"
        file.write_text(json.dumps({"version": "1", "name": "shop", "kubernetes": access}, indent=2))
        return file
