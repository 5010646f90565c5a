"""intake: what arrived becomes typed alerts; the run gets its ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from domain.alert import Alert
from domain.incident import IncidentStatus
from domain.inventory import Inventory
from domain.redaction import redact
from domain.value import new_id
from graph.nodes.walk import Node, entry
from graph.services import Services
from graph.state import Knobs, State
from tools.intake import resolve_service


def make_intake(services: Services) -> Node:
    """The first node. Accepts alerts as values or as JSON (Studio, SDK); raises pydantic.ValidationError on other shapes."""

    async def intake(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
        alerts = [Alert.model_validate(a) for a in state.get("alerts", [])]
        now = services.clock.now()
        title = redact(alerts[0].title) if alerts else (state.get("title") or "asked by a person")
        return {
            "incident": state.get("incident") or new_id("inc"),
            "run": state.get("run") or new_id("run"),
            "started_at": now.isoformat(),
            "title": title,
            "service": state.get("service") or service_of(alerts, services.inventory),
            "alerts": alerts,
            "status": IncidentStatus.DIAGNOSING,
            "timeline": [entry(now, "incident.opened", f"opened: {title}", alerts=len(alerts))]
            + [entry(now, "alert.received", f"{a.source}: {redact(a.title)}", episode=a.episode_id) for a in alerts],
        }

    return intake


def service_of(alerts: Sequence[Alert], inventory: Inventory) -> str:
    """The first alert's service that the inventory knows; else what the first alert says."""
    known = [a.service for a in (resolve_service(a, inventory) for a in alerts) if inventory.service(a.service)]
    return known[0] if known else (alerts[0].service if alerts else "")
