"""Where a live incident's signals come from: the embedded store, and every source that was named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, assert_never

from domain.bundle import Origin, Reading
from domain.clock import Clock
from domain.inventory import Connector, Inventory
from domain.redaction import redact
from domain.telemetry import Checkable, Kind, Telemetry
from governance.health import Breaker, Circuits
from graph.settings import Settings
from tools.telemetry.alertmanager import AlertmanagerSilences
from tools.telemetry.combined import CombinedTelemetry, Source
from tools.telemetry.docker import DockerTelemetry
from tools.telemetry.http_api import Access, HttpApi
from tools.telemetry.jaeger import JaegerTelemetry
from tools.telemetry.journald import JournaldTelemetry
from tools.telemetry.loki import LokiTelemetry
from tools.telemetry.prometheus import PrometheusApi, PrometheusTelemetry
from tools.telemetry.tempo import TempoTelemetry

TELLS: dict[str, Kind] = {
    "prometheus": "metrics",
    "loki": "logs",
    "journald": "logs",
    "docker": "logs",
    "tempo": "spans",
    "jaeger": "spans",
}
"""Kind of connector → what it is asked for; others tell no signals."""


class Outside(Telemetry, Checkable, Protocol):
    """A source beside the embedded store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A connector with the name that its circuit breaker, blind spots and records carry."""

    name: str
    connector: Connector


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is read, how to ask why a part of it was silent at the last reading, and who was asked."""

    telemetry: Telemetry
    gaps: Callable[[], Sequence[Reading]] = tuple
    origins: Callable[[], Sequence[Origin]] = field(default=tuple)


def sources_of(
    first: Telemetry,
    settings: Settings,
    inventory: Inventory,
    env: Mapping[str, str],
    clock: Clock,
    circuits: Circuits | None = None,
    *,
    root: Path | None = None,
) -> Sources:
    """The embedded store alone, or with every configured source beside it. Nothing is connected before it is read."""
    named = [one for one in connectors(settings, inventory) if one.connector.kind in TELLS]
    if not named:
        return Sources(telemetry=first)
    breakers = circuits or Circuits(clock)
    others = [
        Source(
            name=one.name,
            telemetry=opened(one.connector, inventory, env, root=root, breaker=breakers.of(one.name)),
            tells=(TELLS[one.connector.kind],),
        )
        for one in named
    ]
    combined = CombinedTelemetry(first, *others)

    def gaps() -> list[Reading]:
        now = clock.now().timestamp()
        return [
            Reading(probe=origin.source, service=inventory.system, time=now, ok=None, data_gap=redact(origin.gap))
            for origin in combined.origins
            if origin.gap
        ]

    return Sources(telemetry=combined, gaps=gaps, origins=lambda: combined.origins)


def connectors(settings: Settings, inventory: Inventory) -> list[Named]:
    """The inventory's connectors, and those of the settings when none of them is the same server; each server once."""
    found = {(c.kind, c.url.rstrip("/") or f"{c.host}:{c.path}".strip(":")): c for c in inventory.connectors}
    if url := settings.prometheus_url.rstrip("/"):
        found.setdefault(("prometheus", url), Connector(kind="prometheus", url=url))
    if url := settings.loki_url.rstrip("/"):
        found.setdefault(("loki", url), Connector(kind="loki", url=url))
    counted: Counter[str] = Counter()
    named = []
    for connector in found.values():
        counted[connector.kind] += 1
        number = counted[connector.kind]
        named.append(Named(name=f"{connector.kind}_{number}" if number > 1 else connector.kind, connector=connector))
    return named


def first_prometheus(
    settings: Settings, inventory: Inventory, env: Mapping[str, str], *, root: Path | None = None
) -> PrometheusApi | None:
    """The query API of the first Prometheus that is configured; None when there is none."""
    for one in connectors(settings, inventory):
        if one.connector.kind == "prometheus":
            return PrometheusApi(HttpApi("Prometheus", Access.of(one.connector, env, root)))
    return None


def opened(
    connector: Connector,
    inventory: Inventory,
    env: Mapping[str, str],
    *,
    root: Path | None = None,
    breaker: Breaker | None = None,
) -> Outside:
    """A connector's source; nothing is connected yet. Relative paths start from `root`, the inventory's folder."""
    if connector.kind == "journald":
        path = (root or Path()) / connector.path if connector.path else None
        return JournaldTelemetry(inventory, path=path, host=connector.host, breaker=breaker)
    if connector.kind == "docker":
        return DockerTelemetry(inventory, host=connector.host, breaker=breaker)
    api = HttpApi(connector.kind.capitalize(), Access.of(connector, env, root), breaker=breaker)
    match connector.kind:
        case "prometheus":
            return PrometheusTelemetry(api, inventory)
        case "loki":
            return LokiTelemetry(api, inventory, label=connector.label)
        case "tempo":
            return TempoTelemetry(api, inventory)
        case "jaeger":
            return JaegerTelemetry(api, inventory)
        case "alertmanager":
            return AlertmanagerSilences(api)
    assert_never(connector.kind)
