"""Overwatch's watch: what it notices, whom it tells, and that it says everything once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.agents import ChargeRow
from domain.clock import ManualClock
from domain.crew import AgentState, Packet
from domain.errors import StorageUnavailableError
from domain.lifecycle import Phase, RuntimeStatus
from governance.attribution import Cause
from governance.reporting import Reported
from governance.state import keys
from governance.state.crew import Crew
from governance.state.memory import MemoryState
from graph import watcher as watcher_module
from graph.held import Held
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
        self.reports: list[Reported] = []
        self.held = Held()
        self.watcher = Watcher(
            crew=self.crew,
            clock=self.clock,
            unfinished=self._unfinished,
            remark=self._remark,
            charge=self._charge,
            held=self._held,
        )

    async def _held(self) -> Held:
        return self.held

    async def _unfinished(self) -> list[str]:
        return ["inc-1"]

    async def _remark(self, incident: str, event: str, text: str, **_: Any) -> None:
        self.remarks.append((event, text))

    async def _charge(self, violation: str, change: str, facts: dict[str, Any]) -> None:
        self.charged.append(violation)
        self.reports.append(Reported.model_validate({"violation": violation, **facts}))
        assert change == "inc-1"

    async def stand(self, status: RuntimeStatus = RuntimeStatus.RUNNING) -> None:
        now = self.clock.now()
        await self.crew.enlist(Packet(agent=AGENT, task="inc-1", objective="mend", deadline=now))
        await self.crew.report(AgentState(agent=AGENT, phase=Phase.EXECUTE, status=status, at=now))


def charged(change: str, consequence: str) -> ChargeRow:
    return ChargeRow(
        id="vio-1",
        violation="FORBIDDEN_ACTION",
        gravity="medium",
        what="dropped a table",
        cause="agent",
        evidence="nothing else explains it",
        charged=True,
        consequence=consequence,
        change=change,
        at=ManualClock().now(),
        entry=7,
    )


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
    assert {(r.agent, r.cause) for r in watch.reports} == {("responder", Cause.INFRASTRUCTURE)}
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


async def test_who_beats_without_its_lock_answers_for_it() -> None:
    """It is alive, and did not renew."""
    watch = Watch()
    await watch.stand()
    watch.clock.advance(keys.HEARTBEAT_S)
    await watch.crew.beat(AGENT)
    await watch.watcher.look()
    assert [(r.violation, r.cause) for r in watch.reports] == [("LOCK_EXPIRED", None)]


async def test_a_warning_is_told_to_the_run_once() -> None:
    """What was charged in this run; also a watch that starts anew does not repeat it."""
    watch = Watch()
    await watch.stand()
    watch.held = Held(charges=(charged("inc-1", "warned"), charged("inc-2", "warned"), charged("inc-1", "revoked")))
    await watch.watcher.look()
    await watch.watcher.look()
    text = "FORBIDDEN_ACTION (L7): dropped a table"
    assert watch.remarks == [("overwatch.noticed", f"warned: {text}")]
    assert await watch.crew.said("inc-1", ALARMS) == [text]


async def test_a_paused_agent_owes_nothing() -> None:
    """A person may take hours."""
    watch = Watch()
    await watch.stand(RuntimeStatus.PAUSED)
    watch.clock.advance(3600)
    await watch.watcher.look()
    assert watch.charged == []


@pytest.mark.parametrize("own", [True, False])
async def test_errors_in_a_row_are_a_spike(own: bool) -> None:
    """As many as the threshold within a heartbeat's life; what the agent works with failed, unless it was its own mistake."""
    watch = Watch()
    await watch.stand()
    await watch.crew.lock("inc-1", AGENT)
    watch.clock.advance(keys.BEAT_EVERY_S)
    await watch.crew.renew("inc-1")
    watch.clock.advance(keys.BEAT_EVERY_S)
    await watch.crew.beat(AGENT)
    await watch.crew.renew("inc-1")
    for n in range(ERRORS):
        await watch.crew.failed(AGENT, f"error {n}", own=own)
    await watch.watcher.look()
    assert watch.charged == ["ERROR_BUDGET_EXCEEDED"]
    assert watch.reports[0].cause == (None if own else Cause.INFRASTRUCTURE)


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
