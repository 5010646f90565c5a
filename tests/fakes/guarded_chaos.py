"""A real guard and a real chaos server, each behind its own HTTP routes, over a world in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from chaos.agents import Disturber
from chaos.executor import InjectionExecutor
from chaos.experiment import Experiments, Permission
from chaos.http import Http
from chaos.model import Fault
from chaos.responder import HttpDoor
from chaos.room import DrillRoom, RoomRules
from chaos.running import Running
from chaos.server import build_chaos_server
from chaos.sqlite import ChaosDatabase
from domain.clock import ManualClock
from domain.inventory import Binding, Environment, Inventory, Mode, Service
from domain.zone import with_zone
from governance.guard.server import build_action_server
from governance.guard.several import SeveralExecutors
from governance.state.memory import MemoryState
from governance.state.port import SharedState
from tests.fakes.chaos_site import FakeFault, FakeResponder, World, fake_site
from tests.fakes.executor import FakeExecutor
from tests.fakes.guard import TOKENS, Scene

CHAOS, GUARD = "chaos-servers-own-token", "guard-token"


@dataclass
class Together:
    """Both servers and what is really so."""

    world: World
    scene: Scene
    running: Running
    shared: SharedState
    """What agents and the chaos server share."""
    http: Http
    executor: InjectionExecutor

    async def chaos(self, method: str, path: str, body: Any = None, token: str = CHAOS) -> tuple[int, Any]:
        """Ask the chaos server over HTTP."""
        answer = await self.http.ask(method, f"http://chaos{path}", token=token, json=body)
        return answer.status, answer.body


def zone_inventory(mode: Mode = Mode.ACT, environment: Environment = Environment.SANDBOX) -> Inventory:
    """An api where chaos is allowed, a database where it is not."""
    bindings = {"process": Binding(via="process", path="x.pid")}
    api = Service(name="api", kind="api", mode=mode, environment=environment, chaos=True, bindings=bindings)
    postgres = Service(
        name="postgres", kind="database", mode=Mode.ACT, environment=Environment.SANDBOX, bindings=bindings
    )
    return Inventory(services=[api, postgres])


@asynccontextmanager
async def guarded_chaos(home: Path, inventory: Inventory | None = None, **scene: Any) -> AsyncIterator[Together]:
    """Started like the processes of `up`; the two only know each other's routes and tokens."""
    world = World(clock=ManualClock())
    site, database = fake_site(world, home), ChaosDatabase(home / "chaos.db")
    faults: dict[str, Fault] = {"wound": FakeFault(world), "calm": FakeFault(world, name="calm", abstain=True)}
    to_chaos, to_guard = _Late(), _Late()
    injections = InjectionExecutor(Http(transport=to_chaos), "http://chaos", GUARD)
    made = Scene(
        inventory=with_zone(inventory or zone_inventory()),
        executor=cast(Any, SeveralExecutors(FakeExecutor(), injections)),
        **scene,
    )
    door = HttpDoor(Http(transport=to_guard), "http://guard", TOKENS["chaos"][0], world.clock)
    experiments = Experiments(site, database, faults, Permission(frozen=door.frozen))
    room = DrillRoom(
        site=site,
        database=database,
        faults=faults,
        experiments=experiments,
        responder=FakeResponder(world),
        door=door,
        rules=RoomRules(detect_s=5, finish_s=20),
    )
    shared = MemoryState(made.clock)
    disturber = Disturber(door, shared, made.clock)
    running = Running(site=site, database=database, faults=faults, room=room, disturber=disturber)

    @asynccontextmanager
    async def opening() -> AsyncIterator[Running]:
        yield running

    app = build_chaos_server(opening, token=CHAOS, guard_token=GUARD)
    to_chaos.app, to_guard.app = app, build_action_server(made.guard)
    async with app.router.lifespan_context(app), Http(transport=to_chaos) as http:
        yield Together(world=world, scene=made, running=running, shared=shared, http=http, executor=injections)
        await disturber.close()


class _Late(httpx.AsyncBaseTransport):
    """An application that is known later than its client."""

    app: Any = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await httpx.ASGITransport(app=self.app).handle_async_request(request)
