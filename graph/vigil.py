"""The vigil over what was mended or ended by itself: for ten minutes users are looked at, also without a second alert.

A pager that still fires says nothing new when the same thing breaks again (Alertmanager repeats after hours). It has the
first word; only when users stay without service and nobody opened an incident is the closed one opened again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog

from agents.verifier import HEALTH_PROBES, served
from domain.clock import Clock
from domain.errors import FirebreakError
from domain.incident import Incident
from graph.records.incidents import Incidents
from graph.services import Probes

log = structlog.get_logger(__name__)

EVERY_S = 5.0
"""Between two looks, in real seconds."""
BAD_LOOKS = 3
"""Looks in a row without service before the incident is opened again."""
WATCH = timedelta(minutes=10)
"""How long users are watched after their incident closed."""
BY = "firebreak"

Reopen = Callable[[str, str, str], Awaitable[Any]]
"""(incident, who, reason): a new run that refers to the closed one."""


class Vigil:
    """One task for all incidents that closed well. While any run is under way it is the run that looks."""

    def __init__(self, *, incidents: Incidents, probes: Probes, clock: Clock, reopen: Reopen) -> None:
        self._incidents = incidents
        self._probes = probes
        self._clock = clock
        self._reopen = reopen
        self._bad = 0

    async def watch_forever(self) -> None:
        """Until cancelled. A look that fails counts neither way."""
        while True:
            try:
                await self.look()
            except FirebreakError as error:
                log.warning("vigil.blind", error=error.message)
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """One look at users, if an incident closed well lately."""
        closed = await self._watched()
        if closed is None or served(await self._probes.run(list(HEALTH_PROBES))):
            self._bad = 0
            return
        self._bad += 1
        if self._bad >= BAD_LOOKS and await self._watched() is not None:
            self._bad = 0
            await self._reopen(closed.id, BY, self._words(closed))

    async def _watched(self) -> Incident | None:
        if await self._incidents.unfinished():
            return None
        return newest_not_reopened(await self._incidents.served_since(self._clock.now() - WATCH))

    def _words(self, closed: Incident) -> str:
        assert closed.closed_at is not None, "only closed incidents are watched"
        after = (self._clock.now() - closed.closed_at).total_seconds()
        return f"users are not served again, {after:.0f} s after it was closed, and no alert opened an incident"


def newest_not_reopened(closed: Sequence[Incident]) -> Incident | None:
    """The newest of them that no other one re-opens; None without any."""
    again = {incident.reopens for incident in closed}
    left = [incident for incident in closed if incident.id not in again]
    return max(left, key=lambda incident: incident.opened_at, default=None)
