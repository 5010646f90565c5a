"""One thread under its lease: what happens when it is stopped at an awkward moment."""

from __future__ import annotations

import asyncio

import pytest

from domain.action import Verdict
from domain.conditions import Condition
from domain.incident import Incident
from graph.checkpoint.lease import Lease, ProcessLeases
from graph.heart import Heart
from graph.state import Knobs
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


async def unsaved(_: Incident) -> None:
    """Nobody looks."""


async def test_a_cancellation_while_the_lease_is_given_back_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever advances the thread is cancelled all the same, and the lease is free for another runner."""
    monkeypatch.setattr("graph.threads.LEASE_S", 0.003)
    leases = StuckRenewal()
    world = World(wrong={(Condition.PROCESS_PAUSED, "api"): {}}, mends={"resume_process api"})
    house = House(world, verdicts={"resume_process": Verdict.ASK})
    threads = Threads(house.graph(), leases, unsaved, Knobs(), "app", Heart(house.crew, "responder"))
    running = asyncio.create_task(
        threads.advance("inc-1", {"incident": "inc-1", "run": "run-1", "alerts": [alert()], "title": "", "service": ""})
    )
    await leases.leaving.wait()
    running.cancel()
    await asyncio.wait({running}, timeout=10)
    assert running.cancelled()
    assert await leases.acquire("inc-1", "another", 1.0) is not None
