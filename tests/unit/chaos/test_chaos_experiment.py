"""Injection under a lease, and everyone who may take it back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from chaos.errors import ChaosError, InjectionRefusedError
from chaos.experiment import Experiments, Permission, Request, restore_lease
from chaos.lease import CLAIM_STALE_S, LeaseState
from chaos.lease_memory import MemoryLeaseStore
from chaos.model import Fault
from chaos.reaper import reap, restore_everything, run_reaper
from domain.clock import ManualClock
from tests.fakes.chaos_site import FakeDoor, FakeFault, World, fake_site


class Bench:
    """Experiments over a world in memory."""

    def __init__(self, home: Path, *, chaos: bool = True, **fault: object) -> None:
        self.world = World(clock=ManualClock())
        self.site = fake_site(self.world, home, chaos=chaos)
        self.fault = FakeFault(self.world, **fault)  # type: ignore[arg-type]
        self.faults: dict[str, Fault] = {"wound": self.fault}
        self.store = MemoryLeaseStore()
        self.door = FakeDoor()
        self.experiments = Experiments(self.site, self.store, self.faults, Permission(frozen=self.door.frozen))


async def test_a_fault_is_written_down_proven_and_taken_back(tmp_path: Path) -> None:
    """The lease holds the undo and the receipt; restoring sees the steady state again."""
    bench = Bench(tmp_path)
    lease = await bench.experiments.inject(Request(fault="wound", lease_s=60))
    stored = bench.store.get(lease.id)
    assert bench.world.broken
    assert stored.state is LeaseState.ACTIVE
    assert stored.undo["depth"] == 2
    assert stored.undo["noted"]
    assert stored.undo["receipt"]
    done = await bench.experiments.restore(lease.id, by="server")
    assert (done.state, done.verified, done.restored_by) == (LeaseState.RESTORED, True, "server")
    assert not bench.world.broken
    again = await bench.experiments.restore(lease.id, by="reaper")
    assert again.restored_by == "server"
    assert bench.fault.restorations == 1


@pytest.mark.parametrize("why", ["kill", "frozen", "limit", "forbidden", "unknown", "long"])
async def test_injection_is_refused(tmp_path: Path, why: str) -> None:
    """Kill switch, frozen door, too many, inventory, unknown fault and too long a lease: nothing is touched."""
    bench = Bench(tmp_path, chaos=why != "forbidden")
    bench.door.is_frozen = why == "frozen"
    if why == "kill":
        bench.store.halt("smoke", bench.world.clock.now())
    if why == "limit":
        await bench.experiments.inject(Request(fault="wound"))
        bench.world.broken = False
    name = "nothing" if why == "unknown" else "wound"
    with pytest.raises(InjectionRefusedError) as refusal:
        await bench.experiments.inject(Request(fault=name, lease_s=9999 if why == "long" else 60))
    assert refusal.value.message
    assert not bench.world.broken


async def test_an_empty_catalogue_is_an_error(tmp_path: Path) -> None:
    """An empty target set is never a success."""
    bench = Bench(tmp_path)
    bench.faults.clear()
    with pytest.raises(InjectionRefusedError, match="no such fault"):
        await bench.experiments.inject(Request(fault="wound"))


async def test_a_fault_that_does_not_take_is_undone(tmp_path: Path) -> None:
    """Without a receipt there is no experiment; the lease is closed again."""
    bench = Bench(tmp_path, takes=False)
    with pytest.raises(ChaosError, match="did not take"):
        await bench.experiments.inject(Request(fault="wound"))
    assert bench.store.leases(unfinished=True) == []


async def test_the_reaper_restores_at_the_deadline_and_not_before(tmp_path: Path) -> None:
    """Nobody else is needed for it: store, site and catalogue are enough."""
    bench = Bench(tmp_path)
    lease = await bench.experiments.inject(Request(fault="wound", lease_s=60))
    assert await reap(bench.site, bench.store, bench.faults) == []
    bench.world.clock.advance(60)
    [done] = await reap(bench.site, bench.store, bench.faults)
    assert (done.id, done.restored_by, done.verified) == (lease.id, "reaper", True)


async def test_the_kill_switch_makes_everything_due(tmp_path: Path) -> None:
    """Once thrown, the reaper restores at once."""
    bench = Bench(tmp_path)
    await bench.experiments.inject(Request(fault="wound", lease_s=60))
    bench.store.halt("smoke", bench.world.clock.now())
    [done] = await reap(bench.site, bench.store, bench.faults)
    assert done.restored_by == "kill"


async def test_a_restoration_that_fails_is_tried_again(tmp_path: Path) -> None:
    """Failures leave the lease unfinished; a later round finishes it."""
    bench = Bench(tmp_path, sticky=2)
    await bench.experiments.inject(Request(fault="wound", lease_s=1))
    bench.world.clock.advance(1)
    [first] = await reap(bench.site, bench.store, bench.faults)
    assert first.state is LeaseState.FAILED
    assert await reap(bench.site, bench.store, bench.faults) == []
    bench.world.clock.advance(10)
    await reap(bench.site, bench.store, bench.faults)
    bench.world.clock.advance(10)
    [last] = await reap(bench.site, bench.store, bench.faults)
    assert (last.state, last.attempts) == (LeaseState.RESTORED, 3)


async def test_a_restorer_that_died_is_followed_by_another(tmp_path: Path) -> None:
    """A stale claim is taken over."""
    bench = Bench(tmp_path)
    lease = await bench.experiments.inject(Request(fault="wound", lease_s=60))
    assert bench.store.claim(lease.id, "server", bench.world.clock.now())
    assert await reap(bench.site, bench.store, bench.faults) == []
    bench.world.clock.advance(CLAIM_STALE_S)
    [done] = await reap(bench.site, bench.store, bench.faults)
    assert done.restored_by == "reaper"


async def test_a_gone_fault_on_an_otherwise_ill_patient_is_closed_unverified(tmp_path: Path) -> None:
    """After some attempts the lease ends, saying that no steady state was seen."""
    bench = Bench(tmp_path)
    lease = await bench.experiments.inject(Request(fault="wound", lease_s=60))
    bench.world.stopped = ["postgres"]

    async def ill() -> None:
        bench.site.shop.visit = failing  # type: ignore[assignment,method-assign]

    async def failing() -> object:
        from chaos.site import Visit

        bench.world.clock.advance(0.1)
        return Visit(ok=False, ms=1, text="down")

    await ill()
    for _ in range(3):
        bench.world.clock.advance(40)
        done = await restore_lease(bench.site, bench.store, bench.faults, lease.id, by="reaper", patience_s=1)
    assert (done.state, done.verified) == (LeaseState.RESTORED, False)


async def test_a_shutdown_takes_everything_back(tmp_path: Path) -> None:
    """Due or not."""
    bench = Bench(tmp_path)
    await bench.experiments.inject(Request(fault="wound", lease_s=600))
    [done] = await restore_everything(bench.site, bench.store, bench.faults, by="interrupt")
    assert done.state is LeaseState.RESTORED
    assert not bench.world.broken


async def test_a_cancelled_injection_is_undone(tmp_path: Path) -> None:
    """Ctrl-C between the deed and its proof leaves nothing broken."""
    bench = Bench(tmp_path)
    held = asyncio.Event()

    async def never(*_: object) -> list[object]:
        held.set()
        await asyncio.Event().wait()
        return []

    bench.fault.receipt = never  # type: ignore[assignment,method-assign]
    task = asyncio.create_task(bench.experiments.inject(Request(fault="wound")))
    await held.wait()
    assert bench.world.broken
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not bench.world.broken
    assert bench.store.leases(unfinished=True) == []


async def test_the_reaper_survives_a_failing_round(tmp_path: Path) -> None:
    """An error is no reason to stop reaping."""
    bench = Bench(tmp_path)
    await bench.experiments.inject(Request(fault="wound", lease_s=1))
    bench.world.clock.advance(timedelta(seconds=1).total_seconds())
    found = bench.store.leases
    calls = 0

    def flaky(*, unfinished: bool = False) -> list[object]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("disk")
        return list(found(unfinished=unfinished))

    bench.store.leases = flaky  # type: ignore[assignment,method-assign]
    task = asyncio.create_task(run_reaper(bench.site, bench.store, bench.faults))
    while bench.world.broken:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert calls >= 2
