"""Overwatch's watch: a task beside the runs that reads heartbeats, locks and errors, and raises an alarm on a threshold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from domain.clock import Clock
from domain.crew import AgentState
from domain.errors import FirebreakError
from domain.lifecycle import RuntimeStatus, may_stand
from governance.state import keys
from governance.state.crew import Crew
from graph.nodes.oversee import ALARMS

log = structlog.get_logger(__name__)

EVERY_S = 10.0
"""Between two looks, in real seconds."""
ERRORS = 3
"""Errors of one agent within a heartbeat's life that are a spike."""
Unfinished = Callable[[], Awaitable[list[str]]]
Remark = Callable[..., Awaitable[None]]
"""(incident, event, text, **data): one fact on the timeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One threshold that was crossed."""

    violation: str
    """Which violation it is, when the agent itself is the cause."""
    agent: str
    text: str


class Watcher:
    """Looks after every unfinished run. An alarm is told once per stay in a state; who caused it is decided elsewhere."""

    def __init__(self, *, crew: Crew, clock: Clock, unfinished: Unfinished, remark: Remark, charge: Any) -> None:
        self._crew = crew
        self._clock = clock
        self._unfinished = unfinished
        self._remark = remark
        self._charge = charge
        self._told: set[tuple[str, str, datetime]] = set()

    async def watch_forever(self) -> None:
        """Until cancelled. While the store is silent there is nothing to hold against anybody."""
        while True:
            try:
                await self.look()
            except FirebreakError as error:
                log.warning("overwatch.blind", error=error.message)
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """One look at every run."""
        for task in await self._unfinished():
            for state in await self._crew.standing(task):
                for alarm in await self._alarms(task, state):
                    await self._raise(task, state, alarm)

    async def _alarms(self, task: str, state: AgentState) -> list[Alarm]:
        now = self._clock.now()
        if not state.status.owes_heartbeat or now - state.at < timedelta(seconds=keys.HEARTBEAT_S):
            return []
        beat, holder = await self._crew.last_beat(state.agent), await self._crew.shared.holder(task)
        since = (now - timedelta(seconds=keys.HEARTBEAT_S)).isoformat()
        spike = [e for e in await self._crew.errors(state.agent) if e["at"] >= since]
        found = [
            (beat is None, "HEARTBEAT_TIMEOUT", f"{state.agent} gave no sign of life for {keys.HEARTBEAT_S:.0f} s"),
            (holder is None, "LOCK_EXPIRED", f"{state.agent} is at work without its lock"),
            (len(spike) >= ERRORS, "ERROR_BUDGET_EXCEEDED", f"{state.agent} failed {len(spike)} times within a minute"),
        ]
        return [Alarm(violation=kind, agent=state.agent, text=text) for crossed, kind, text in found if crossed]

    async def _raise(self, task: str, state: AgentState, alarm: Alarm) -> None:
        key = (alarm.agent, alarm.violation, state.at)
        if key in self._told:
            return
        self._told.add(key)
        await self._crew.say(task, ALARMS, alarm.text)
        await self._charge(alarm.violation, task, {"agent": alarm.agent, "why": alarm.text, "cause": "unknown"})
        await self._remark(task, "overwatch.noticed", alarm.text, violation=alarm.violation)
        if alarm.violation == "HEARTBEAT_TIMEOUT" and may_stand(state.phase, RuntimeStatus.RECOVERING):
            update = {"status": RuntimeStatus.RECOVERING, "note": alarm.text}
            await self._crew.report(state.model_copy(update=update))
