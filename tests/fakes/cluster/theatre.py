"""Where skills of a cluster are rehearsed in tests: real probes, the guard's own code, the chaos room's faults under leases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from chaos.cluster.catalogue import cluster_catalogue
from chaos.experiment import Experiments, Permission, Request
from chaos.lease_memory import MemoryLeaseStore
from chaos.running import open_site
from domain.clock import ManualClock
from domain.injection import FaultRow
from domain.inventory import Inventory
from graph.checkpoint.lease import ProcessLeases
from graph.checkpoint.serde import strict_serde
from graph.skills.rehearsals import Rehearsals, Wish
from graph.skills.runner import SkillRunner
from skills.bench import Bench
from skills.rehearsal import Rehearsal
from skills.shelf import Shelf
from skills.store import SkillStore
from skills.vocabulary import registered
from tests.fakes.cluster.needy import inventory_of, need, order, runbooks
from tests.fakes.cluster.shop import Shop
from tests.fakes.guard import Scene
from tools.probes.runner import ProbeRunner
from tools.registry import ActionRegistry
from tools.runners.choose import reading_runner


class LeasedFaults:
    """The FaultInjector port over experiments in this process."""

    def __init__(self, experiments: Experiments, faults: Any) -> None:
        self._experiments = experiments
        self._faults = faults

    async def injectable(self) -> list[FaultRow]:
        return [FaultRow(name=name, service=fault.spec.service) for name, fault in self._faults.items()]

    async def inject(self, fault: str, *, lease_s: float) -> str:
        return (await self._experiments.inject(Request(fault=fault, lease_s=lease_s, blind=False))).id

    async def lift(self, lease: str) -> None:
        await self._experiments.restore(lease, by="server")


@dataclass
class Theatre:
    """One namespace with everything that a rehearsal needs."""

    shop: Shop
    inventory: Inventory
    bench: Bench
    injector: LeasedFaults
    leases: MemoryLeaseStore
    scene: Scene
    notes: list[dict[str, Any]]

    async def rehearse(self, skill: str, target: str) -> Rehearsal:
        """To its end."""
        runner = SkillRunner(self.bench, ProcessLeases(), "app")
        await runner.start(InMemorySaver(serde=strict_serde()))
        rehearsals = Rehearsals(runner, self.injector, hands_off=True)
        try:
            begun = await rehearsals.start(skill, Wish(target=target))
            await rehearsals.ended(begun.id)
            return rehearsals.get(begun.id)
        finally:
            await rehearsals.close()
            await runner.close()


async def _open() -> bool:
    return False


class HastyClock(ManualClock):
    """Waiting moves it further than was asked for: the same patience with fewer looks at objects that do not change."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds * 6)


@asynccontextmanager
async def theatre(shop: Shop, *, ordered: bool = False) -> AsyncIterator[Theatre]:
    """Its clock is moved by waiting, so nothing is waited for. `ordered`: the web pods are a stateful set's."""
    need(shop)
    if ordered:
        order(shop)
    inventory, clock = inventory_of(shop, "statefulset/web" if ordered else "web"), HastyClock()
    env = {"FIREBREAK_HOME": str(shop.folder / "home")}
    executor: Any = ActionRegistry(inventory, env, root=shop.folder, clock=clock)
    scene = Scene(inventory=inventory, executor=executor, clock=clock)
    notes: list[dict[str, Any]] = []

    async def note(kind: str, change: str, content: dict[str, Any]) -> None:
        notes.append(content)

    bench = Bench(
        inventory=inventory,
        words=registered(inventory),
        probes=ProbeRunner(inventory, env, root=shop.folder, clock=clock),
        guard=scene.agent,
        shelf=Shelf(runbooks()),
        store=SkillStore(shop.folder / "home" / "skills"),
        clock=clock,
        note=note,
        reader=lambda name: reading_runner(service, env, shop.folder) if (service := inventory.service(name)) else None,
    )
    leases, faults = MemoryLeaseStore(), cluster_catalogue(inventory)
    async with open_site(shop.folder, shop.folder / "stack", shop.folder / "firebreak.yaml") as site:
        experiments = Experiments(replace(site, clock=clock), leases, faults, Permission(frozen=_open))
        injector = LeasedFaults(experiments, faults)
        yield Theatre(shop, inventory, bench, injector, leases, scene, notes)
