"""What is polled: endpoints with metrics, outside checks, schema revisions. Each keeps its newest answer.

Whatever fails is data (`scrape_up` 0, a check that failed), never the end of the collector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from domain.alert import Change
from domain.clock import Clock
from domain.errors import FirebreakError
from domain.inventory import HttpProbe, Inventory, Probe, Service
from tools.config_versions import ConfigVersions
from tools.schema import revision_facts
from tools.target import Target
from tools.telemetry import roles
from tools.telemetry.http_poll import Checked, HttpPoller, check_tcp
from tools.telemetry.meter import Meter
from tools.telemetry.roles import named
from tools.telemetry.watch import migration_change

STALE_S = 2.5
"""An answer older than this is no answer."""
SCRAPE_TIMEOUT_S = 0.9
SCHEMA_EVERY_S = 10.0

Points = dict[str, dict[str, float]]
"""Service → metric → value at one tick."""


class Source(Protocol):
    """One thing that is polled by a task of its own, so that a slow one delays nobody."""

    @property
    def period_s(self) -> float:
        """Seconds between two polls."""
        ...

    async def poll(self) -> None:
        """Ask, and keep the answer."""
        ...

    def add_to(self, points: Points, now: float) -> None:
        """Put the newest answer, if it is fresh, among the points of this tick."""
        ...


@dataclass(slots=True)
class MetricsSource:
    """One exposition endpoint."""

    service: Service
    poller: HttpPoller
    clock: Clock
    meter: Meter
    period_s: float = 1.0
    at: float = 0.0
    ok_at: float = 0.0
    up: bool = False
    values: dict[str, float] = field(default_factory=dict)

    async def poll(self) -> None:
        """Read the page; a page that cannot be read breaks the counters' continuity."""
        where = self.service.telemetry.scrape
        found = await self.poller.get(where, timeout_s=SCRAPE_TIMEOUT_S, accept="text/plain;version=0.0.4")
        self.at, self.up = self.clock.now().timestamp(), found.status == 200
        if self.up:
            self.values = self.meter.read(self.at, found.body.decode("utf-8", errors="replace"))
            self.ok_at = self.at
        else:
            self.meter.forget()
            self.values = {}

    def add_to(self, points: Points, now: float) -> None:
        """The metrics, whether they could be read, and how far behind the service is."""
        own = points[self.service.name]
        fresh = self.up and now - self.at <= STALE_S
        own |= self.values if fresh else {}
        own[roles.SCRAPE_UP] = float(fresh)
        if self.ok_at and any(slo.sli == "freshness" for slo in self.service.slos):
            # What the service says itself, plus how long it has said nothing.
            silent = 0.0 if fresh else max(0.0, now - self.ok_at)
            own[roles.FRESHNESS] = own.get(roles.FRESHNESS, 0.0) + silent


@dataclass(slots=True)
class CheckSource:
    """One check from outside, as a user would."""

    service: str
    probe: Probe
    poller: HttpPoller
    clock: Clock
    at: float = 0.0
    last: Checked | None = None

    @property
    def period_s(self) -> float:
        """What users see is looked at each second, what leaves traces every other."""
        if isinstance(self.probe, HttpProbe):
            return 1.0 if self.probe.user_facing and self.probe.method == "GET" else 2.0
        return 3.0

    async def poll(self) -> None:
        """Check once."""
        self.last = await (
            self.poller.check(self.probe) if isinstance(self.probe, HttpProbe) else check_tcp(self.probe)
        )
        self.at = self.clock.now().timestamp()

    def add_to(self, points: Points, now: float) -> None:
        """Passed or not, and how long it took."""
        if self.last is None or now - self.at > STALE_S + self.period_s:
            return
        own = points[self.service]
        own[named(roles.PROBE_UP, probe=self.probe.name)] = float(self.last.ok)
        own[named(roles.PROBE_MS, probe=self.probe.name)] = self.last.ms


@dataclass(slots=True)
class SchemaSource:
    """The revision of one database's schema; a new one is a change."""

    target: Target
    clock: Clock
    revision: str = ""
    period_s: float = SCHEMA_EVERY_S
    fresh: list[Change] = field(default_factory=list)

    async def poll(self) -> None:
        """Read the revision; a database that does not answer says nothing."""
        try:
            facts = await revision_facts(self.target, admin=False)
        except FirebreakError:
            return
        before, self.revision = self.revision, str(facts.get("current") or "")
        if before and self.revision != before:
            now = self.clock.now().timestamp()
            self.fresh.append(migration_change(self.target.name, before, self.revision, now))

    def add_to(self, points: Points, now: float) -> None:
        """A revision is a fact, not a point."""

    def taken(self) -> list[Change]:
        """Changes since the last call."""
        fresh, self.fresh = self.fresh, []
        return fresh


def metrics_sources(inventory: Inventory, poller: HttpPoller, clock: Clock) -> list[MetricsSource]:
    """One per service with an exposition page."""
    return [
        MetricsSource(service=service, poller=poller, clock=clock, meter=Meter(service.telemetry.roles))
        for service in inventory.services
        if service.telemetry.scrape
    ]


def check_sources(inventory: Inventory, poller: HttpPoller, clock: Clock) -> list[CheckSource]:
    """One per probe of the inventory."""
    return [
        CheckSource(service=service.name, probe=probe, poller=poller, clock=clock)
        for service in inventory.services
        for probe in service.probes
    ]


def schema_sources(
    inventory: Inventory, env: Mapping[str, str], root: Path, versions: ConfigVersions, clock: Clock
) -> list[SchemaSource]:
    """One per service with migrations."""
    return [
        SchemaSource(
            target=Target(service=service, inventory=inventory, env=env, root=root, versions=versions, clock=clock),
            clock=clock,
        )
        for service in inventory.services
        if "migration" in service.bindings
    ]
