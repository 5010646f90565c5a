"""A patient, a fault, a responder and a ledger door in memory, for drills without processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from chaos.model import Durability, FaultSpec, Magnitude, Note, Observation, Undo
from chaos.responder import Said
from chaos.site import Identity, Site, StackProcess, StackStatus, Visit
from domain.clock import ManualClock
from domain.drills import DrillLedger
from domain.errors import FirebreakError, UpstreamError
from domain.incident import Incident, IncidentRow
from domain.value import Value


@dataclass
class World:
    """What is really so. Everything else here looks at it or changes it."""

    clock: ManualClock
    broken: bool = False
    """The fault stands."""
    cured: bool = False
    """Somebody took a cure that helps in spite of the fault."""
    lasting: bool = True
    """The cure survives the event."""
    rows: dict[str, int] = field(default_factory=lambda: {"orders": 10})
    visits: int = 0
    stopped: list[str] = field(default_factory=list)

    @property
    def served(self) -> bool:
        """Whether a user gets what they want."""
        return not self.broken or self.cured


class FakeShop:
    """Users are served or not, as the world says."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def visit(self) -> Visit:
        self._world.visits += 1
        self._world.clock.advance(0.02)
        if self._world.served:
            return Visit(ok=True, ms=20, text="served")
        return Visit(ok=False, ms=20, text="no order: 503")

    async def metrics(self, service: str) -> Mapping[str, float]:
        return {}


class FakeControl:
    """Two processes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.posts: list[str] = []

    async def status(self) -> StackStatus:
        names = ("api", "postgres")
        rows = [StackProcess(name=n, pid=1, state="stopped" if n in self._world.stopped else "running") for n in names]
        return StackStatus(processes=rows)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.posts.append(path)
        return {}


class FakeDatabase:
    """Answers the two questions of the baseline."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def rows(self, statement: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        if "information_schema.tables" in statement:
            return [{"name": name} for name in self._world.rows]
        name = statement.split('"')[1]
        return [{"n": self._world.rows[name]}]


class FakeProxies:
    """No proxies."""

    async def get(self, proxy: str) -> dict[str, Any]:
        return {}

    async def set(self, proxy: str, behaviour: Mapping[str, Any]) -> None:
        return None


class FakeMachine:
    """No processes."""

    def identity(self, pid: int) -> Identity | None:
        return None

    def alive(self, identity: Identity) -> bool:
        return False

    def state(self, pid: int) -> str:
        return ""

    def signal(self, identity: Identity, name: str) -> bool:
        return False

    async def spawn(self, workload: str) -> Identity:
        return Identity(pid=1, started=0.0)

    async def tell(self, identity: Identity, orders: Mapping[str, Any]) -> None:
        return None

    async def stop(self, identity: Identity) -> None:
        return None


def fake_site(world: World, home: Path, *, chaos: bool = True) -> Site:
    """A site over the world, with an inventory on disk."""
    stack = home / "stack"
    stack.mkdir(parents=True, exist_ok=True)
    services = [{"name": n, "kind": n, "chaos": chaos} for n in ("api", "postgres")]
    (stack / "firebreak.yaml").write_text(yaml.safe_dump({"version": "1", "services": services}))
    facts = {"control_url": "http://c", "control_token": "t", "admin_dsn": "d", "shop_url": "http://s"}
    (stack / "stack.json").write_text(json.dumps(facts))
    return Site(
        home=home,
        stack_home=stack,
        shop=FakeShop(world),
        control=FakeControl(world),
        database=FakeDatabase(world),
        proxies=FakeProxies(),
        machine=FakeMachine(),
        clock=world.clock,
    )


class Wound(Value):
    """Parameters of the fake fault."""

    depth: int = 1


class FakeFault:
    """Breaks the world. `takes=False`: the injection has no effect. `sticky`: so many restorations fail first."""

    def __init__(
        self,
        world: World,
        *,
        name: str = "wound",
        takes: bool = True,
        sticky: int = 0,
        abstain: bool = False,
        durability: Durability = Durability.STEADY,
    ) -> None:
        self._world = world
        self.takes = takes
        self.sticky = sticky
        self.restorations = 0
        self.spec = FaultSpec(
            name=name,
            family="process",
            service="api",
            summary="the fake fault",
            parameters=Wound,
            ladder={Magnitude.LOW: {"depth": 1}, Magnitude.MEDIUM: {"depth": 2}, Magnitude.HIGH: {"depth": 3}},
            durability=durability,
            abstain=abstain,
            page={"title": "a complaint", "summary": "somebody complained"} if abstain else {},
        )

    async def prepare(self, site: Site, parameters: Wound) -> Undo:
        return {"depth": parameters.depth}

    async def inject(self, site: Site, parameters: Wound, undo: Undo, note: Note) -> None:
        await note({"noted": True})
        self._world.broken = self.takes and not self.spec.abstain

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        ok = self._world.broken != self.spec.abstain and bool(undo.get("noted"))
        return [Observation(name="broken", ok=ok, text=str(self._world.broken))]

    async def restore(self, site: Site, undo: Undo) -> None:
        self.restorations += 1
        if self.sticky:
            self.sticky -= 1
            raise UpstreamError("not now")
        self._world.broken = False

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        return [Observation(name="broken", ok=not self._world.broken, text=str(self._world.broken))]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        if not self._world.lasting:
            self._world.cured = False
        return [Observation(name="event", ok=True, text="again")]


class FakeDoor:
    """A ledger that remembers, behind a door that may be frozen."""

    def __init__(self) -> None:
        self.is_frozen = False
        self.entries: list[tuple[str, str, dict[str, Any]]] = []
        self.redeem: Callable[[str], Awaitable[object]] | None = None
        """The gate's; the door injects by it as the guard does."""
        self.asked: list[str] = []
        self.hold: asyncio.Event | None = None
        """When set, injections wait for it before the door answers."""

    async def frozen(self) -> bool:
        return self.is_frozen

    async def inject(self, change: str, commitment: str, lease_s: float) -> Said:
        self.asked.append(commitment)
        if self.hold is not None:
            await self.hold.wait()
        if self.is_frozen or self.redeem is None:
            return Said(done=False, text="the door is shut")
        try:
            await self.redeem(commitment)
        except FirebreakError as error:
            return Said(done=False, text=error.message)
        return Said(done=True, text="done")

    async def declare(self, condition: str, agent: str, seconds: float) -> str:
        self.entries.append(("declared", condition, {"agent": agent, "seconds": seconds}))
        return f"cond-{len(self.entries)}"

    async def lift(self, condition_id: str) -> None:
        self.entries.append(("lifted", condition_id, {}))

    async def record(self, kind: str, change: str, content: Mapping[str, Any]) -> None:
        self.entries.append((kind, change, dict(content)))


class FakeResponder:
    """Walks one incident through prepared records, one per look; `on_look` lets a test mend the world meanwhile."""

    def __init__(self, world: World, records: Sequence[Incident] = (), *, opens_after: int = 1) -> None:
        self._world = world
        self.records = list(records)
        self.opens_after = opens_after
        self.looks = 0
        self.pages: list[dict[str, Any]] = []
        self.approved: list[str] = []
        self.waiting: list[str] = []
        self.cure_at: int | None = None
        """Index of the record at which users are served again."""
        self.opened_at: datetime | None = None
        self._asked = 0

    async def incidents(self) -> list[IncidentRow]:
        self._asked += 1
        if not self.records or self._asked <= self.opens_after:
            return []
        self.opened_at = self.opened_at or self._world.clock.now()
        return [self._now().row()]

    async def incident(self, incident_id: str) -> Incident:
        found = self._now()
        if self.looks < len(self.records) - 1:
            self.looks += 1
        if self.cure_at is not None and self.looks >= self.cure_at:
            self._world.cured = True
        return found

    def _now(self) -> Incident:
        return self.records[self.looks].model_copy(update={"opened_at": self.opened_at or self._world.clock.now()})

    async def page(self, alert: Mapping[str, Any]) -> None:
        self.pages.append(dict(alert))

    async def open_approvals(self, incident_id: str) -> list[str]:
        return self.waiting

    async def approve(self, approval_id: str, reason: str) -> None:
        self.approved.append(approval_id)

    async def ledger(self) -> DrillLedger:
        return DrillLedger(entries=7, verified=True)

    async def deeds(self, incident_id: str) -> int | None:
        return None
