"""The probes of a bench: those of the world, and analyses of what was observed, which share one look at everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from domain.alert import Alert
from domain.bundle import Reading
from domain.clock import Clock
from graph.deliveries import LATE
from graph.records.incidents import Incidents
from graph.services import Diagnose, Gather, Probes
from skills.analyses.analysis import Observed
from skills.analyses.catalogue import ANALYSES

FRESH_S = 1.0
"""Checks that are looked at side by side share one observation."""

OpenAlerts = Callable[[], Awaitable[Sequence[Alert]]]


def open_alerts(incidents: Incidents, clock: Clock) -> OpenAlerts:
    """Of incidents that are open or closed so lately that their senders' last word is still heard."""

    async def told() -> list[Alert]:
        return await incidents.told_since(clock.now() - LATE)

    return told


class Looks:
    """Implements skills.bench.Probes."""

    def __init__(self, probes: Probes, gather: Gather, diagnose: Diagnose, alerts: OpenAlerts, clock: Clock) -> None:
        self._probes = probes
        self._gather = gather
        self._diagnose = diagnose
        self._alerts = alerts
        self._clock = clock
        self._analyses = {analysis.name: analysis for analysis in ANALYSES}
        self._last: tuple[float, asyncio.Task[Observed]] | None = None

    async def run(self, names: Sequence[str] | None = None, services: Sequence[str] | None = None) -> list[Reading]:
        """Readings now. An analysis is made when it is named, for the services that are named."""
        asked = [self._analyses[name] for name in names or () if name in self._analyses]
        others = None if names is None else [name for name in names if name not in self._analyses]
        rows = [] if others == [] else await self._probes.run(others, services)
        if not asked:
            return rows
        observed = await self._observed()
        return [*rows, *(one.look(observed, service) for one in asked for service in services or ())]

    async def _observed(self) -> Observed:
        now = self._clock.monotonic()
        if self._last is None or (self._last[1].done() and now - self._last[0] >= FRESH_S):
            self._last = (now, asyncio.create_task(self._look(), name="a look at everything"))
        return await asyncio.shield(self._last[1])

    async def _look(self) -> Observed:
        bundle = await self._gather("skill", (), (), 0)
        diagnosis = await asyncio.to_thread(self._diagnose, bundle)
        now = self._clock.now().timestamp()
        return Observed(now=now, bundle=bundle, diagnosis=diagnosis, alerts=await self._alerts())
