"""Overwatch's watch: a task beside the runs that reads heartbeats, locks, errors and charges, and raises an alarm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from domain.clock import Clock
from domain.crew import AgentState, role_of
from domain.errors import FirebreakError
from domain.lifecycle import RuntimeStatus, may_stand
from governance.attribution import Cause
from governance.state import keys
from governance.state.crew import Crew
from graph.held import Held, ReadHeld
from graph.nodes.oversee import ALARMS
from graph.services import Charge

log = structlog.get_logger(__name__)

EVERY_S = 10.0
"""Between two looks, in real seconds."""
ERRORS = 3
"""Errors of one agent within a heartbeat's life that are a spike."""
GONE = "nothing else was heard of it either: its process may be gone"
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
    excuse: str = ""
    """What speaks for the infrastructure as its cause; empty: nothing that was seen."""

    @property
    def facts(self) -> dict[str, Any]:
        """What governance is told."""
        excuse = {"cause": Cause.INFRASTRUCTURE, "evidence": self.excuse} if self.excuse else {}
        return {"agent": role_of(self.agent), "what": self.text, **excuse}


class Watcher:
    """Looks after every unfinished run. An alarm is told once per stay in a state; who caused it is decided elsewhere."""

    def __init__(
        self, *, crew: Crew, clock: Clock, unfinished: Unfinished, remark: Remark, charge: Charge, held: ReadHeld
    ) -> None:
        self._crew = crew
        self._clock = clock
        self._unfinished = unfinished
        self._remark = remark
        self._charge = charge
        self._held = held
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
        tasks = await self._unfinished()
        held = await self._held() if tasks else Held()
        for task in tasks:
            await self._hear(task, held.warnings(task))
            for state in await self._crew.standing(task):
                for alarm in await self._alarms(task, state):
                    await self._raise(task, state, alarm)

    async def _hear(self, task: str, warnings: Sequence[str]) -> None:
        """Tell the run what it was warned for, once: the channel remembers what was said, also across restarts."""
        known = await self._crew.said(task, ALARMS) if warnings else []
        for text in warnings:
            if text not in known:
                await self._crew.say(task, ALARMS, text)
                await self._remark(task, "overwatch.noticed", f"warned: {text}")

    async def _alarms(self, task: str, state: AgentState) -> list[Alarm]:
        now = self._clock.now()
        if not state.status.owes_heartbeat or now - state.at < timedelta(seconds=keys.HEARTBEAT_S):
            return []
        silent = await self._crew.last_beat(state.agent) is None
        holder = await self._crew.shared.holder(task)
        rows = await self._crew.errors(state.agent)
        return alarms(state.agent, silent=silent, locked=holder is not None, errors=lately(rows, now))

    async def _raise(self, task: str, state: AgentState, alarm: Alarm) -> None:
        key = (alarm.agent, alarm.violation, state.at)
        if key in self._told:
            return
        self._told.add(key)
        await self._crew.say(task, ALARMS, alarm.text)
        await self._charge(alarm.violation, task, alarm.facts)
        await self._remark(task, "overwatch.noticed", alarm.text, violation=alarm.violation)
        if alarm.violation == "HEARTBEAT_TIMEOUT" and may_stand(state.phase, RuntimeStatus.RECOVERING):
            update = {"status": RuntimeStatus.RECOVERING, "note": alarm.text}
            await self._crew.report(state.model_copy(update=update))


def lately(rows: Sequence[dict[str, Any]], now: datetime) -> list[bool]:
    """For each error within a heartbeat's life: whether it was the agent's own mistake."""
    since = (now - timedelta(seconds=keys.HEARTBEAT_S)).isoformat()
    return [bool(row.get("own")) for row in rows if row["at"] >= since]


def alarms(agent: str, *, silent: bool, locked: bool, errors: Sequence[bool]) -> list[Alarm]:
    """Thresholds that an agent at work crossed. Pure.

    Who is silent may be dead, and then it renews no lock either; who beats without its lock answers for it.
    """
    found: list[Alarm] = []
    if silent:
        text = f"{agent} gave no sign of life for {keys.HEARTBEAT_S:.0f} s"
        found.append(Alarm(violation="HEARTBEAT_TIMEOUT", agent=agent, text=text, excuse=GONE))
    if not locked:
        text = f"{agent} is at work without its lock"
        found.append(Alarm(violation="LOCK_EXPIRED", agent=agent, text=text, excuse=GONE if silent else ""))
    if len(errors) >= ERRORS:
        text = f"{agent} failed {len(errors)} times within a minute"
        excuse = "" if sum(errors) >= ERRORS else f"{len(errors) - sum(errors)} of them by what it works with"
        found.append(Alarm(violation="ERROR_BUDGET_EXCEEDED", agent=agent, text=text, excuse=excuse))
    return found
