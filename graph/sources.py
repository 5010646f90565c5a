"""Where a live incident's signals come from: the embedded store, and every Prometheus that was named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.bundle import Reading
from domain.clock import Clock
from domain.inventory import Connector, Inventory
from domain.redaction import redact
from domain.telemetry import Telemetry
from governance.health import Circuits
from graph.settings import Settings
from tools.telemetry.combined import CombinedTelemetry
from tools.telemetry.prometheus import PrometheusTelemetry

PROBE = "prometheus"
"""Under this name a Prometheus that said nothing is told among the blind spots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is read, and how to ask why a part of it was silent at the last reading."""

    telemetry: Telemetry
    gaps: Callable[[], Sequence[Reading]]


def sources_of(
    first: Telemetry,
    settings: Settings,
    inventory: Inventory,
    env: Mapping[str, str],
    clock: Clock,
    circuits: Circuits | None = None,
) -> Sources:
    """The embedded store alone, or with every configured Prometheus beside it. Nothing is connected before it is read."""
    named = prometheus_servers(settings, inventory)
    if not named:
        return Sources(telemetry=first, gaps=tuple)
    breakers = [(circuits or Circuits(clock)).of(f"{PROBE}_{n}" if n > 1 else PROBE) for n in range(1, len(named) + 1)]
    others = [
        PrometheusTelemetry(c.url, inventory, token=env.get(c.token_env, ""), breaker=breaker)
        for c, breaker in zip(named, breakers, strict=True)
    ]
    combined = CombinedTelemetry(first, *others)

    def gaps() -> list[Reading]:
        now = clock.now().timestamp()
        return [
            Reading(probe=PROBE, service=inventory.system, time=now, ok=None, data_gap=redact(why))
            for why in combined.gaps
        ]

    return Sources(telemetry=combined, gaps=gaps)


def prometheus_servers(settings: Settings, inventory: Inventory) -> list[Connector]:
    """The inventory's connectors, and PROMETHEUS_URL when none of them is the same server; each server once."""
    connectors = {c.url.rstrip("/"): c for c in inventory.connectors if c.kind == "prometheus"}
    url = settings.prometheus_url.rstrip("/")
    if url and url not in connectors:
        connectors[url] = Connector(kind="prometheus", url=url)
    return list(connectors.values())
