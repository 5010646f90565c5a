"""What `firebreak doctor` says about telemetry: each source tried, metric roles recognised, blind spots by service."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cli.config import load_inventory
from cli.session import SESSION
from graph.settings import Settings

if TYPE_CHECKING:
    from graph.visibility import Look, Visibility

State = Literal["ok", "degraded", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One look: what was found, and what to do when that is not enough."""

    name: str
    state: State
    found: str
    hint: str = ""
    details: tuple[str, ...] = ()


GRANTS = {
    "alertmanager": "a token that may read /api/v2/silences",
    "prometheus": "a token that may read /api/v1/query and /api/v1/query_range",
    "loki": "a token that may read /loki/api/v1/query_range (Grafana Cloud: scope logs:read)",
    "tempo": "a token that may read /api/search and /api/traces (Grafana Cloud: scope traces:read)",
    "jaeger": "a token that may read /api/traces of the query service",
    "docker": "usermod -aG docker USER, then start Firebreak again; or an ssh user whose forced command is docker logs",
    "journald": "usermod -aG systemd-journal USER, then start Firebreak again",
}
"""The least that each kind of source needs, to paste."""


def look_sources(settings: Settings) -> list[Finding]:
    """A finding per source of the inventory at hand, and one for what nobody shows."""
    config = settings.config or SESSION.home.path / "stack" / "firebreak.yaml"
    named = bool(settings.prometheus_url or settings.loki_url)
    if not config.exists() and not named:
        return [Finding(name="sources", state="ok", found="no inventory yet: firebreak up, or --config firebreak.yaml")]
    from domain.inventory import Inventory, Service
    from graph.visibility import look
    from tools.telemetry.embedded import SqliteTelemetry

    nobody = Inventory(services=[Service(name="service", kind="unknown")])
    inventory = load_inventory(config) if config.exists() else nobody
    store = SqliteTelemetry(SESSION.home.path / "telemetry.db")
    seen = asyncio.run(look(store, settings, inventory, os.environ, root=config.parent, now=time.time()))
    findings = [source_finding(one) for one in seen.looks]
    if config.exists():
        return [*findings, blind_spots(seen)]
    return [bare_finding(one) for one in seen.looks[1:]]


def source_finding(look: Look) -> Finding:
    """One source in words."""
    if look.check is None:
        grant = GRANTS.get(look.name.partition("_")[0], "")
        hint = look.hint or (f"it needs {grant}" if grant else "")
        return Finding(name=look.name, state="degraded", found=f"{look.address}: {look.problem}", hint=hint)
    age = look.check.newest_age_s
    fresh = "nothing recent" if age is None else f"newest {age:.0f} s old"
    return Finding(
        name=look.name,
        state="degraded" if look.late else "ok",
        found=f"{look.check.found}, {fresh}",
        hint="is anything written there, and do the names match (telemetry.selector, .loki, .unit, .container, .traced_as)?"
        if look.late
        else "",
        details=tuple(f"{service}: {', '.join(roles) or 'no role recognised'}" for service, roles in look.check.roles),
    )


def bare_finding(look: Look) -> Finding:
    """A source without an inventory: it answers or it does not; whose signals to look for is not known yet."""
    if look.check is None:
        return source_finding(look)
    hint = "name your services in firebreak.yaml to see what it shows of them"
    return Finding(name=look.name, state="ok", found=f"{look.address} answers", hint=hint)


def blind_spots(seen: Visibility) -> Finding:
    """What no source shows, service by service."""
    details = [f"no {kind} of {_listed(names)}" for kind, names in seen.unseen.items() if names]
    if seen.invisible:
        found = f"nothing at all is seen of {_listed(seen.invisible)}"
        return Finding(name="blind spots", state="degraded", found=found, details=tuple(details))
    found = "every service shows metrics, logs and spans" if not details else "some signals are missing"
    return Finding(name="blind spots", state="ok", found=found, details=tuple(details))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
