"""From name to container: ingress → service → pod → port. One wrong label or number and requests end nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any

from agents.perception.claim import Claim
from agents.perception.platform.objects import (
    Cluster,
    Object,
    claim,
    get,
    matches,
    name_of,
    rows,
    sign,
    space_of,
    table,
    text,
    texts,
)

_HOST_KEY = re.compile(r"(host|url|uri|addr|address|endpoint|server|dsn)s?$", re.I)
_HOST = re.compile(r"^(?:\w+://)?(?:[^@/\s]*@)?([a-z][a-z0-9-]*)(?:\.[a-z0-9.-]+)?(?::(\d+))?(?:[/?].*)?$", re.I)


def selectors(cluster: Cluster) -> Iterable[Claim]:
    """A service whose selector fits no pod."""
    for service in cluster.all("Service"):
        wanted = table(service, "spec.selector")
        if not wanted or get(service, "spec.type") == "ExternalName":
            continue
        known = list(cluster.templates(space_of(service)))
        if not known or any(matches(wanted, labels) for _, _, labels in known):
            continue
        near = max(
            known, key=lambda row: (row[0] == name_of(service), sum(row[2].get(k) == v for k, v in wanted.items()))
        )
        there = ", ".join(f"{k}={near[2].get(k, '(missing)')}" for k in wanted)
        asked = ", ".join(f"{k}={v}" for k, v in wanted.items())
        yield claim(
            cluster.service(name_of(service), wanted),
            "selector_mismatch",
            0.95,
            f"Service {name_of(service)} selects {asked}, but the pods of {near[0]} carry {there}: it has no endpoints.",
            sign(service, f"spec.selector {asked}; pods of {near[0]}: {there}", "no pod carries these labels"),
        )


def ports(cluster: Cluster) -> Iterable[Claim]:
    """A service that sends to a port on which no container of its pods listens."""
    for service in cluster.all("Service"):
        wanted = table(service, "spec.selector")
        chosen = [row for row in cluster.templates(space_of(service)) if wanted and matches(wanted, row[2])]
        open_ports = [p for _, spec, _ in chosen for c in rows(spec, "containers") for p in rows(c, "ports")]
        if not open_ports:
            continue
        known = texts(open_ports, "containerPort", "name")
        for port in rows(service, "spec.ports"):
            target = text(port, "targetPort") or text(port, "port")
            if target in known:
                continue
            heard = ", ".join(sorted(texts(open_ports, "containerPort")))
            yield claim(
                cluster.service(name_of(service), wanted),
                "target_port_mismatch",
                0.94,
                f"Service {name_of(service)} sends to port {target}, but the containers of {chosen[0][0]} listen on {heard}.",
                sign(service, f"targetPort {target}; containerPort {heard}", "nothing listens on the target port"),
            )


def ingresses(cluster: Cluster) -> Iterable[Claim]:
    """An ingress that points at a service or port that does not exist."""
    for ingress in cluster.all("Ingress"):
        for backend in _backends(ingress):
            name = text(backend, "service.name") or text(backend, "serviceName")
            port = (
                text(backend, "service.port.number")
                or text(backend, "service.port.name")
                or text(backend, "servicePort")
            )
            service = cluster.find("Service", name, space_of(ingress))
            known = texts(rows(service, "spec.ports"), "port", "name")
            if service is None and cluster.listed("Service"):
                words = f"Ingress {name_of(ingress)} points at service {name}, which does not exist."
            elif service is not None and port and port not in known:
                words = f"Ingress {name_of(ingress)} points at port {port} of {name}, which the service does not have."
            else:
                continue
            yield claim(
                cluster.service(name or name_of(ingress)),
                "ingress_backend",
                0.92,
                words,
                sign(ingress, f"backend {name}:{port}", "requests from outside end here"),
            )


def hosts(cluster: Cluster) -> Iterable[Claim]:
    """A setting that names a host which is no service here, though one of nearly that name is; or its wrong port."""
    for owner, carrier, key, value in _settings(cluster):
        found = _HOST.match(value) if _HOST_KEY.search(key) else None
        if found is None:
            continue
        name, port = found.group(1), found.group(2)
        services = {name_of(s): s for s in cluster.all("Service") if space_of(s) == space_of(carrier)}
        near = _near(name, services)
        if name not in services and near:
            words = f"{owner} is told to reach {name} ({key}), which is no service; {near} is."
            kind = "wrong_host"
        elif name in services and port and port not in texts(rows(services[name], "spec.ports"), "port"):
            words, kind = (
                f"{owner} is told to reach {name} on port {port} ({key}), which that service does not offer.",
                "wrong_port",
            )
        else:
            continue
        yield claim(cluster.service(owner), kind, 0.9, words, sign(carrier, f"{key}={value}", "it points at nothing"))


def _backends(ingress: Object) -> Iterable[Object]:
    default = get(ingress, "spec.defaultBackend")
    if isinstance(default, dict):
        yield default
    for rule in rows(ingress, "spec.rules"):
        for path in rows(rule, "http.paths"):
            yield table(path, "backend")


def _settings(cluster: Cluster) -> Iterable[tuple[str, Object, str, str]]:
    """(workload, object that holds it, key, value) of plain environment values and of the config maps they use."""
    for workload in cluster.all("Deployment", "StatefulSet", "DaemonSet"):
        spec = table(workload, "spec.template.spec")
        used = {str(get(r, "configMapRef.name", "")) for c in rows(spec, "containers") for r in rows(c, "envFrom")}
        for container in rows(spec, "containers"):
            for row in rows(container, "env"):
                used.add(str(get(row, "valueFrom.configMapKeyRef.name", "")))
                if isinstance(row.get("value"), str):
                    yield name_of(workload), workload, str(row.get("name")), row["value"]
        for name in sorted(used - {""}):
            settings = cluster.find("ConfigMap", name, space_of(workload))
            values: dict[str, Any] = table(settings, "data")
            for key, value in values.items():
                yield name_of(workload), settings or workload, str(key), str(value)


def _near(name: str, services: dict[str, Object]) -> str:
    """The service of nearly that name: one edit of a part, or one name inside the other."""
    scored = [(SequenceMatcher(None, name, s).ratio(), s) for s in services]
    best = max(scored, default=(0.0, ""))
    return best[1] if best[0] >= 0.75 else ""


CHECKS = (selectors, ports, ingresses, hosts)
