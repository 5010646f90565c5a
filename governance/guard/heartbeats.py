"""Signs of life as the guard knows them: who asks it for something, and whose heartbeat stands in shared state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from domain.clock import Clock
from domain.errors import FirebreakError
from domain.guard import Actor
from governance.attribution import Suspicion
from governance.pulse import Pulses, Silence, Work, follow

EVERY_S = 10.0
"""Between two looks, in real seconds."""

log = structlog.get_logger(__name__)


class Heartbeats:
    """Remembers from look to look. Only agents that asked this process for something are looked after."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: dict[Work, datetime] = {}
        self._asked: dict[str, datetime] = {}
        self._beats: dict[str, datetime] = {}
        self._silences: dict[Work, Silence] = {}

    def heard(self, actor: Actor) -> None:
        """The agent asked for something: a sign of life, though no heartbeat."""
        self._heard[(actor.agent, actor.change)] = self._asked[actor.agent] = self._clock.now()

    def closed(self, agent: str, change: str) -> None:
        """The agent ended its run: it owes nothing for the change any more."""
        self._heard.pop((agent, change), None)

    def last_asked(self, agent: str) -> datetime | None:
        """When it last asked this process for something."""
        return self._asked.get(agent)

    def last_beat(self, agent: str) -> datetime | None:
        """Its newest heartbeat that a look has found."""
        return self._beats.get(agent)

    async def look(self, pulses: Pulses) -> list[Suspicion]:
        """Who is silent without a cause of its own, or with one. Raises StorageError when heartbeats cannot be read."""
        found = await pulses.read(list(self._heard))
        for pulse in found:
            if pulse.beat is not None:
                self._beats[pulse.agent] = max(pulse.beat, self._beats.get(pulse.agent, pulse.beat))
        self._silences, suspicions = follow(found, self._silences, self._heard, self._clock.now())
        return suspicions


async def watch_forever(look: Callable[[], Awaitable[object]]) -> None:
    """Look again and again, until cancelled. While the store is silent there is nothing to hold against anybody."""
    while True:
        try:
            await look()
        except FirebreakError as error:
            log.warning("heartbeats.unreadable", error=error.message)
        await asyncio.sleep(EVERY_S)
