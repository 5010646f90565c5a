"""One thread under its lease: what happens when it is stopped at an awkward moment."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from domain.action import Verdict
from domain.conditions import Condition
from domain.crew import at_work
from domain.incident import Incident, IncidentStatus
from governance.state import keys
from governance.state.crew import Crew
from graph.checkpoint.lease import Lease, ProcessLeases
from graph.checkpoint.serde import strict_serde
from graph.heart import Heart
from graph.state import Knobs, State
from graph.threads import Threads
from tests.fakes.house import House
from tests.fakes.world import World, alert


class StuckRenewal(ProcessLeases):
    """The renewal that runs when the thread comes to rest does not end by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving = asyncio.Event()

    async def renew(self, lease: Lease, ttl_s: float) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.leaving.set()
            await asyncio.Event().wait()


def delivered() -> State:
    """What a thread begins with."""
    return {"incident": "inc-1", "run": "run-1", "alerts": [alert()], "title": "", "service": ""}


async def unsaved(_: Incident) -> None:
    """Nobody looks."""


async def test_a_cancellation_while_the_lease_is_given_back_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever advances the thread is cancelled all the same, and the lease is free for another runner."""
    monkeypatch.setattr("graph.threads.LEASE_S", 0.003)
    leases = StuckRenewal()
    world = World(wrong={(Condition.PROCESS_PAUSED, "api"): {}}, mends={"resume_process api"})
    house = House(world, verdicts={"resume_process": Verdict.ASK})
    threads = Threads(house.graph(), leases, unsaved, Knobs(), "app", Heart(house.crew, "responder"))
    running = asyncio.create_task(threads.advance("inc-1", delivered()))
    await leases.leaving.wait()
    running.cancel()
    await asyncio.wait({running}, timeout=10)
    assert running.cancelled()
    assert await leases.acquire("inc-1", "another", 1.0) is not None


class PowerFails(InMemorySaver):
    """One checkpoint is never written: its process died after the writes of the superstep and before it."""

    def __init__(self, at: int) -> None:
        super().__init__(serde=strict_serde())
        self._left = at
        self.failed = False

    async def aput(self, *args: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            self.failed = True
            raise ConnectionAbortedError("the process died")
        return await super().aput(*args)


async def test_a_crash_between_the_writes_and_their_checkpoint_loses_nothing() -> None:
    """Whichever checkpoint is missing, the thread is not taken for ended: it goes on and ends as ever."""
    at, missed = 0, True
    while missed:
        at += 1
        saver = PowerFails(at)
        world = World(wrong={(Condition.PROCESS_PAUSED, "api"): {}}, mends={"resume_process api"})
        house = House(world, saver=saver)
        threads = Threads(house.graph(), ProcessLeases(), unsaved, Knobs(), "app", Heart(house.crew, "responder"))
        while not (position := await threads.position("inc-1")).ended:
            with suppress(ConnectionAbortedError):
                await threads.advance("inc-1", None if position.begun else delivered())
        assert (position.state.get("status"), world.effects) == (IncidentStatus.RESOLVED, ["resume_process api"]), at
        missed = saver.failed
    assert at > 8


async def test_a_run_that_lost_its_lock_rests_until_the_lock_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken over while a step is looked at: the run stops after that look, and goes on under a newer token later."""
    monkeypatch.setattr(keys, "BEAT_EVERY_S", 0.001)
    house = House(World(wrong={(Condition.PROCESS_PAUSED, "api"): {}}, mends={"resume_process api"}))
    other, notes = Crew(house.crew.shared, house.clock), house._note

    async def overtaken(kind: str, change: str, content: dict[str, Any]) -> None:
        await notes(kind, change, content)
        if "step_id" in content and not other.fence("inc-1"):
            await other.lock("inc-1", at_work("responder", "inc-1"))
            while any(task.get_name().startswith("heart") for task in asyncio.all_tasks()):
                await asyncio.sleep(0.001)

    house._note = overtaken  # type: ignore[method-assign]
    heart = Heart(house.crew, "responder")
    threads = Threads(house.graph(), ProcessLeases(), unsaved, Knobs(), "app", heart)
    async with asyncio.timeout(30):
        await threads.advance("inc-1", {"incident": "inc-1", "run": "run-1", "alerts": [alert()]})
    rests = await threads.position("inc-1")
    assert (rests.ended, rests.open) == (False, ("oversee",))
    stale = other.fence("inc-1")
    await threads.advance("inc-1", None)
    ended = await threads.position("inc-1")
    assert (ended.ended, ended.state["outcome"]) == (True, "mitigated")
    lock = await house.crew.shared.acquire("inc-1", "anybody")
    assert lock is not None
    assert lock.token > stale
