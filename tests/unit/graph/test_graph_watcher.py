"""Overwatch's watch: what it notices, whom it tells, and that it says everything once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.clock import ManualClock
from domain.crew import AgentState, Packet
from domain.errors import StorageUnavailableError
from domain.lifecycle import Phase, RuntimeStatus
from governance.state import keys
from governance.state.crew import Crew
from governance.state.memory import MemoryState
from graph import watcher as watcher_module
from graph.nodes.oversee import ALARMS
from graph.watcher import ERRORS, Watcher

AGENT = "responder@inc-1"


class Watch:
    """One agent at work, and what the watch said about it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.crew = Crew(MemoryState(self.clock), self.clock)
        self.remarks: list[tuple[str, str]] = []
        self.charged: list[str] = []
        self.watcher = Watcher(
            crew=self.crew, clock=self.clock, unfinished=self._unfinished, remark=self._remark, charge=self._charge
        )

    async def _unfinished(self) -> list[str]:
        return ["inc-1"]

    async def _remark(self, incident: str, event: str, text: str, **_: Any) -> None:
        self.remarks.append((event, text))

    async def _charge(self, violation: str, change: str, facts: dict[str, Any]) -> None:
        self.charged.append(violation)

    async def stand(self, status: RuntimeStatus = RuntimeStatus.RUNNING) -> None:
        now = self.clock.now()
        await self.crew.enlist(Packet(agent=AGENT, task="inc-1", objective="mend", deadline=now))
        await self.crew.report(AgentState(agent=AGENT, phase=Phase.EXECUTE, status=status, at=now))


async def test_a_silent_agent_is_noticed_once() -> None:
    """No heartbeat and no lock for a heartbeat's life: told on the timeline and to the next oversee, never twice."""
    watch = Watch()
    await watch.stand()
    await watch.watcher.look()
    assert watch.charged == []
    watch.clock.advance(keys.HEARTBEAT_S)
    await watch.watcher.look()
    await watch.watcher.look()
    assert watch.charged == ["HEARTBEAT_TIMEOUT", "LOCK_EXPIRED"]
    assert [event for event, _ in watch.remarks] == ["overwatch.noticed"] * 2
    assert await watch.crew.said("inc-1", ALARMS) == [text for _, text in watch.remarks]
    stands = await watch.crew.standing_of(AGENT)
    assert stands is not None
    assert stands.status is RuntimeStatus.RECOVERING


async def test_who_beats_and_holds_its_lock_is_left_alone() -> None:
    """However long a step takes."""
    watch = Watch()
    await watch.stand()
    await watch.crew.lock("inc-1", AGENT)
    for _ in range(5):
        watch.clock.advance(keys.BEAT_EVERY_S)
        await watch.crew.renew("inc-1")
        await watch.crew.beat(AGENT)
        await watch.watcher.look()
    assert (watch.charged, watch.remarks) == ([], [])


async def test_a_paused_agent_owes_nothing() -> None:
    """A person may take hours."""
    watch = Watch()
    await watch.stand(RuntimeStatus.PAUSED)
    watch.clock.advance(3600)
    await watch.watcher.look()
    assert watch.charged == []


async def test_errors_in_a_row_are_a_spike() -> None:
    """As many as the threshold within a heartbeat's life."""
    watch = Watch()
    await watch.stand()
    await watch.crew.lock("inc-1", AGENT)
    watch.clock.advance(keys.BEAT_EVERY_S)
    await watch.crew.renew("inc-1")
    watch.clock.advance(keys.BEAT_EVERY_S)
    await watch.crew.beat(AGENT)
    await watch.crew.renew("inc-1")
    for n in range(ERRORS):
        await watch.crew.failed(AGENT, f"error {n}")
    await watch.watcher.look()
    assert watch.charged == ["ERROR_BUDGET_EXCEEDED"]


async def test_a_silent_store_blinds_the_watch_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is charged for infrastructure; the watch goes on."""
    monkeypatch.setattr(watcher_module, "EVERY_S", 0.001)
    watch = Watch()
    looks = 0

    async def away() -> list[str]:
        nonlocal looks
        looks += 1
        raise StorageUnavailableError("nobody answers")

    watch.watcher._unfinished = away
    task = asyncio.ensure_future(watch.watcher.watch_forever())
    async with asyncio.timeout(5):
        while looks < 3:
            await asyncio.sleep(0)
    task.cancel()
    assert watch.charged == []
