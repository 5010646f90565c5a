"""The heart: a lock and a heartbeat while a run advances, nothing afterwards."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from domain.clock import ManualClock
from domain.crew import AgentState, at_work
from domain.errors import LeaseLostError, StorageUnavailableError
from domain.lifecycle import Phase, RuntimeStatus
from governance.state import keys
from governance.state.crew import Crew
from governance.state.memory import MemoryState
from graph.heart import Heart

AGENT = at_work("responder", "inc-1")


def crew() -> tuple[Crew, ManualClock]:
    clock = ManualClock()
    return Crew(MemoryState(clock), clock), clock


async def beats(crew: Crew, after: Any = None) -> Any:
    """Wait for a sign of life later than `after`."""
    async with asyncio.timeout(5):
        while (last := await crew.last_beat(AGENT)) is None or last == after:
            await asyncio.sleep(0)
        return last


async def test_a_run_that_advances_is_alive_and_holds_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats come again and again, the lock is renewed with them, and both end with the run."""
    monkeypatch.setattr(keys, "BEAT_EVERY_S", 0.001)
    mine, clock = crew()
    async with Heart(mine, "responder").beating("inc-1"):
        first, token = await beats(mine), mine.fence("inc-1")
        assert token > 0
        for _ in range(4):
            clock.advance(keys.LOCK_S / 2)
            first = await beats(mine, first)
        assert await mine.shared.holder("inc-1") is not None
    assert (mine.fence("inc-1"), await mine.last_beat(AGENT)) == (0, None)
    assert await mine.shared.holder("inc-1") is None


async def test_another_agents_task_is_left_alone() -> None:
    """While someone else is active on the task, this one does not start."""
    mine, _ = crew()
    await mine.shared.acquire("inc-1", "other@inc-1")
    with pytest.raises(LeaseLostError):
        async with Heart(mine, "responder").beating("inc-1"):
            pytest.fail("two agents at once")


async def test_who_was_overtaken_keeps_its_stale_token_and_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The action server shall see the stale token; the newer holder's lock and heartbeat stay."""
    monkeypatch.setattr(keys, "BEAT_EVERY_S", 0.001)
    mine, clock = crew()
    theirs = Crew(mine.shared, clock)
    lost: list[str] = []
    async with Heart(mine, "responder").beating("inc-1", lambda: lost.append("inc-1")):
        await beats(mine)
        stale = mine.fence("inc-1")
        clock.advance(1)
        await theirs.lock("inc-1", AGENT)
        async with asyncio.timeout(5):
            while [t for t in asyncio.all_tasks() if t.get_name() == f"heart {AGENT}"]:
                await asyncio.sleep(0)
        assert mine.fence("inc-1") == stale < theirs.fence("inc-1")
        assert lost == ["inc-1"]
    holder = await theirs.shared.holder("inc-1")
    assert holder is not None
    assert holder.token == theirs.fence("inc-1")


async def test_a_paused_agent_owes_no_heartbeat() -> None:
    """Its last sign of life goes with the pause; it beats again when it runs."""
    mine, clock = crew()
    await mine.beat(AGENT)

    async def stand(status: RuntimeStatus) -> None:
        await mine.report(AgentState(agent=AGENT, phase=Phase.PLAN, status=status, at=clock.now()))
        await mine.beat(AGENT)

    await stand(RuntimeStatus.PAUSED)
    assert await mine.last_beat(AGENT) is None
    await stand(RuntimeStatus.RUNNING)
    assert await mine.last_beat(AGENT) == clock.now()
    clock.advance(keys.HEARTBEAT_S)
    assert await mine.last_beat(AGENT) is None
    assert clock.now() - timedelta(seconds=keys.HEARTBEAT_S) == ManualClock().now()


async def test_a_silent_store_does_not_end_the_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next beat tries again."""
    monkeypatch.setattr(keys, "BEAT_EVERY_S", 0.001)
    mine, _ = crew()
    real, away = mine.shared.renew, iter([True, True])

    async def flaky(lock: Any) -> None:
        if next(away, False):
            raise StorageUnavailableError("nobody answers")
        await real(lock)

    monkeypatch.setattr(mine.shared, "renew", flaky)
    async with Heart(mine, "responder").beating("inc-1"):
        await beats(mine)
    assert next(away, None) is None, "it was silent as often as it was to be"
