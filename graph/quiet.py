"""Alerts that nobody wants to be bothered with now: maintenance windows of the inventory, silences of an Alertmanager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from domain.alert import Alert
from domain.clock import Clock
from domain.errors import FirebreakError
from domain.inventory import Inventory
from governance.health import Breaker
from tools.telemetry.alertmanager import AlertmanagerSilences, Silence
from tools.telemetry.http_api import Access, HttpApi

log = structlog.get_logger(__name__)

Quiet = Callable[[Alert], Awaitable[str]]
"""Why an alert is not to open an incident now, in words; empty: it may."""
FRESH = timedelta(seconds=15)
"""So long an Alertmanager's answer is used again."""
PATIENCE_S = 3.0
"""Seconds an Alertmanager may take: an alert waits for it."""


async def never_quiet(alert: Alert) -> str:
    """Every alert may open an incident."""
    return ""


def any_quiet(*reasons: Quiet) -> Quiet:
    """Quiet when one of them is; the first one's words."""

    async def found(alert: Alert) -> str:
        for reason in reasons:
            if why := await reason(alert):
                return why
        return ""

    return found


class QuietTimes:
    """Implements Quiet. An Alertmanager that does not answer silences nobody."""

    def __init__(self, inventory: Inventory, sources: Sequence[AlertmanagerSilences], clock: Clock) -> None:
        self._inventory, self._sources, self._clock = inventory, sources, clock
        self._known: tuple[datetime, list[Silence]] | None = None

    async def __call__(self, alert: Alert) -> str:
        """See Quiet."""
        now = self._clock.now()
        if planned := in_maintenance(alert, self._inventory, now):
            return planned
        labels = {**alert.labels, "service": alert.labels.get("service") or alert.service}
        found = next((s for s in await self._silences(now) if s.covers(labels)), None)
        return f"silenced by {found.by or 'somebody'} until {found.until}: {found.comment}" if found else ""

    async def _silences(self, now: datetime) -> list[Silence]:
        if self._known is None or now - self._known[0] >= FRESH:
            self._known = (now, [one for source in self._sources for one in await _active(source)])
        return self._known[1]


async def _active(source: AlertmanagerSilences) -> list[Silence]:
    try:
        return await source.active()
    except FirebreakError as error:
        log.warning("silences.unknown", error=error.message, found=error.found)
        return []


def in_maintenance(alert: Alert, inventory: Inventory, now: datetime) -> str:
    """The window that covers the alert's service now, in words; empty without one. Windows without services cover all."""
    for window in inventory.maintenance:
        if window.start <= now < window.end and (not window.services or alert.service in window.services):
            return f"maintenance until {window.end.isoformat()}: {window.reason or 'planned'}"
    return ""


def quiet_times(
    inventory: Inventory, env: Mapping[str, str], clock: Clock, breaker: Breaker, *, root: Path
) -> QuietTimes:
    """The inventory's maintenance windows and every Alertmanager that it names; nothing is connected yet."""
    named = [Access.of(c, env, root) for c in inventory.connectors if c.kind == "alertmanager"]
    apis = [HttpApi("Alertmanager", access, timeout_s=PATIENCE_S, breaker=breaker) for access in named]
    return QuietTimes(inventory, [AlertmanagerSilences(api) for api in apis], clock)
