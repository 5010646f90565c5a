"""Whom a call went to, told at its near end only: by a span's attributes, or by a metric's labels. Pure.

Attributes by OpenTelemetry's semantic conventions: `peer.service` and `db.system`, and the addresses of clients in their old and
new names. Labels as meshes and client libraries write them (Istio, Envoy, Linkerd, OpenTelemetry). A host says its service by its
first label (`cart.shop.svc.cluster.local` is `cart`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from agents.perception.facts import Facts
from agents.perception.kinds import CACHE_KINDS, DATABASE_KINDS
from domain.bundle import Span

CACHES = frozenset({"redis", "memcached", "valkey", "dragonfly"})
NAMES = ("peer.service", "server.address", "net.peer.name", "http.host")
URLS = ("url.full", "http.url")
_LABEL = re.compile(
    r"[{,]\s*(?:destination\w*|dst\w*|callee|peer\w*|upstream\w*|envoy_cluster_name|server_address|net_peer_name|remote\w*|"
    r"target_service)\s*=\s*\"([^\"]+)\"",
    re.I,
)


def peer_of(facts: Facts, span: Span) -> str:
    """The service that a call went to: by name, by host, else the only dependency of that kind; else ''."""
    said = span.attributes
    hosts = [str(said.get(name) or "") for name in NAMES] + [_host(str(said.get(url) or "")) for url in URLS]
    named = next((s for h in hosts if h and (s := _service(facts.services, h)) and s != span.service), "")
    if named:
        return named
    system = str(said.get("db.system") or said.get("db.system.name") or "").lower()
    kinds = CACHE_KINDS if system in CACHES else DATABASE_KINDS
    found = [s for s in facts.callees(span.service) if facts.kind(s) in kinds] if system else []
    return found[0] if len(found) == 1 else ""


def other_end(metric: str, service: str, services: Collection[str]) -> str:
    """Whom a metric of `service` is about, where its labels name another one of `services`; else ''."""
    found = (_service(services, value) for value in _LABEL.findall(metric)) if "{" in metric else ()
    return next((s for s in found if s and s != service), "")


def _service(services: Collection[str], host: str) -> str:
    names = (host, host.rsplit(":", 1)[0], host.split(":", 1)[0].split(".", 1)[0])
    return next((n for n in names if n in services), "")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # an address that is none
        return ""
