"""Heartbeats as the agents at work leave them in shared state, for whoever watches over them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from domain.clock import Clock
from domain.crew import AgentState, at_work
from domain.errors import ConfigError
from governance.pulse import LIFE_S, Pulse, Work
from governance.state.crew import Crew


class CrewPulses:
    """Implements governance.pulse.Pulses. Who never said where it stands, or is paused or done, owes none."""

    def __init__(self, crew: Crew, clock: Clock) -> None:
        self._crew = crew
        self._clock = clock

    async def read(self, working: Sequence[Work]) -> list[Pulse]:
        found: list[Pulse] = []
        for agent, change in working:
            with suppress(ConfigError):  # a name that cannot stand in the keyspace belongs to nobody of the crew
                stands = await self._crew.standing_of(at_work(agent, change))
                if stands is not None and stands.status.owes_heartbeat:
                    found.append(Pulse(agent=agent, change=change, beat=await self._beat(stands)))
        return found

    async def _beat(self, stands: AgentState) -> datetime | None:
        """A word about where it stands is as good as a heartbeat, for as long as one lives."""
        spoke = stands.at if self._clock.now() - stands.at < timedelta(seconds=LIFE_S) else None
        return await self._crew.last_beat(stands.agent) or spoke
