"""Which incident an alert belongs to, and by which rule. Pure; every answer is a receipt that a person can question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from domain.alert import Alert, AlertStatus
from domain.inventory import Inventory

Rule = Literal["opened", "grouped", "duplicate", "resolved", "suppressed", "ignored", "throttled"]

LATE = timedelta(seconds=60)
"""An alert about something that began before an incident closed still belongs to it for this long."""
STORM = 20
"""Open incidents at which further alerts are collected under one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An incident as grouping sees it."""

    id: str
    group_key: str
    services: frozenset[str]
    opened_at: datetime
    closed_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Agents or people still work on it."""
        return self.closed_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where an alert goes. `incident` None with rule opened: a new one."""

    rule: Rule
    incident: str | None
    text: str


def route(
    alert: Alert,
    service: str,
    *,
    episodes: Mapping[str, str],
    known: Sequence[Known],
    inventory: Inventory,
    now: datetime,
) -> Route:
    """`episodes`: episode id → incident; `known`: open and lately closed incidents, newest first."""
    seen = episodes.get(alert.episode_id)
    match alert.status:
        case AlertStatus.RESOLVED:
            return Route(rule="resolved", incident=seen, text="the source says it is over")
        case AlertStatus.SUPPRESSED:
            return Route(rule="suppressed", incident=seen, text="suppressed at its source")
        case AlertStatus.ACKNOWLEDGED:
            return Route(rule="ignored", incident=seen, text="somebody acknowledged it at its source")
        case AlertStatus.FIRING | AlertStatus.UNKNOWN:
            pass
    if seen is not None:
        return Route(rule="duplicate", incident=seen, text=f"episode {alert.episode_id} is known")
    for incident in known:
        why = relation(alert, service, incident, inventory)
        if why and (incident.open or began_before(alert, incident, now)):
            return Route(rule="grouped", incident=incident.id, text=why)
    working = [k for k in known if k.open]
    if len(working) >= STORM:
        return Route(rule="throttled", incident=working[0].id, text=f"{len(working)} incidents are open already")
    return Route(rule="opened", incident=None, text="nothing open is related to it")


def relation(alert: Alert, service: str, incident: Known, inventory: Inventory) -> str:
    """Why the two belong together; empty when nothing says so."""
    if alert.group_key and alert.group_key == incident.group_key:
        return f"same group {alert.group_key}"
    for other in sorted(incident.services):
        if other and service == other:
            return f"same service {service}"
        if service in inventory.dependants(other) or other in inventory.dependants(service):
            return f"{service} and {other} depend on each other"
    return ""


def began_before(alert: Alert, incident: Known, now: datetime) -> bool:
    """Whether the alert is only late: what it reports began before the incident closed, and that was just now."""
    if incident.closed_at is None or now - incident.closed_at > LATE:
        return False
    return (alert.started_at or alert.received_at) <= incident.closed_at
