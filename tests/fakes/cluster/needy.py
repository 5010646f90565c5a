"""The shop with an inventory that declares what each part needs: for probes, faults and skills of a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from domain.inventory import Inventory
from tests.fakes.cluster.kinds import BY_KIND
from tests.fakes.cluster.shop import Shop

PATH = [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"protocol": "TCP", "port": 5432}]}]


def need(shop: Shop) -> None:
    """Web pods need the database over a policy, a setting that names it, and a permission; there are three of them."""
    shop.change("ConfigMap", "settings", lambda c: c["data"].update(DB_HOST="db"))
    shop.change("NetworkPolicy", "closed", lambda p: p["spec"].update(ingress=PATH))
    everybody = {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"], "ingress": []}
    shop.put("NetworkPolicy", {"metadata": {"name": "nobody"}, "spec": everybody})
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    shop.change("Role", "reader", lambda r: r["rules"].append(rule))
    subject = {"kind": "ServiceAccount", "name": "web", "namespace": shop.namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    shop.put("RoleBinding", {"metadata": {"name": "readers"}, "roleRef": reference, "subjects": [subject]})
    host = {"name": "DB_HOST", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "DB_HOST"}}}
    env = [host, {"name": "NEEDS_PERMISSION", "value": "get configmaps"}]

    def grow(web: dict[str, Any]) -> None:
        web["spec"]["replicas"] = 3
        web["spec"]["template"]["spec"]["containers"][0]["env"] = env

    shop.change("Deployment", "web", grow)


def order(shop: Shop) -> None:
    """The web pods are those of an ordered stateful set instead of a deployment's."""
    web = shop.get("Deployment", "web")
    with shop.cluster.store.together(shop.namespace):
        shop.cluster.store.delete(BY_KIND["Deployment"], shop.namespace, "web")
        shop.put("StatefulSet", {"metadata": {"name": "web"}, "spec": {**web["spec"], "serviceName": "web"}})


def inventory_of(shop: Shop, workload: str = "web", **more: Any) -> Inventory:
    """Written beside the TARGET file as `firebreak.yaml`. `more` are fields of both services."""
    target = shop.write_target()
    document = json.loads(target.read_text())
    document["kubernetes"]["chaos"] = "kubeconfig"
    target.write_text(json.dumps(document))
    needs = [{"resource": "configmaps", "verbs": ["get"]}]
    permissions = {"service_account": "web", "role": "reader", "role_binding": "readers", "needs": needs}
    options = {
        "web": {
            "workload": workload,
            "service": "web",
            "replicas": 3,
            "settings": {"config_map": "settings", "values": {"DB_HOST": "db"}},
            "permissions": permissions,
        },
        "db": {
            "workload": "db",
            "service": "db",
            "replicas": 2,
            "callers": {"network_policy": "closed", "port": 5432, "workloads": [workload]},
        },
    }
    services = [
        {
            "name": name,
            "kind": kind,
            "environment": "sandbox",
            "mode": "act",
            "chaos": True,
            "depends_on": needs_,
            "bindings": {"kubernetes": {"via": "kubernetes", "path": "target.yaml", "options": options[name]}},
            **more,
        }
        for name, kind, needs_ in (("web", "api", ["db"]), ("db", "database", []))
    ]
    file = shop.folder / "firebreak.yaml"
    file.write_text(yaml.safe_dump({"version": "1", "system": "shop", "services": services}))
    return Inventory.model_validate(yaml.safe_load(file.read_text()))


def runbooks() -> Path:
    """The shipped skills."""
    return Path(__file__).resolve().parents[3] / "runbooks"
