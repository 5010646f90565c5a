"""The chaos server and its client, over its real routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chaos.client import HttpDrills
from chaos.experiment import Experiments, Permission
from chaos.http import Http
from chaos.lease import Lease
from chaos.model import Fault
from chaos.reaper import restore_everything
from chaos.room import DrillRoom, RoomRules
from chaos.running import Running
from chaos.server import STATUS, build_chaos_server, status_of
from chaos.sqlite import ChaosDatabase
from domain.clock import ManualClock
from domain.drills import DrillRun, DrillState
from domain.errors import AuthError, ConflictError, FirebreakError, NotFoundError
from domain.incident import IncidentStatus
from tests.fakes.chaos_site import FakeDoor, FakeFault, FakeResponder, World, fake_site
from tests.unit.chaos.chaos_records import incident

TOKEN = "chaos-token"
GUARD = "guard-token"


class Served:
    """A chaos server over a world in memory."""

    def __init__(self, home: Path) -> None:
        self.world = World(clock=ManualClock())
        self.site = fake_site(self.world, home)
        self.database = ChaosDatabase(home / "chaos.db")
        self.faults: dict[str, Fault] = {
            "wound": FakeFault(self.world),
            "calm": FakeFault(self.world, name="calm", abstain=True),
        }
        self.door = FakeDoor()
        self.responder = FakeResponder(self.world, [incident(IncidentStatus.ESCALATED)])
        self.app: FastAPI = build_chaos_server(self.opening, token=TOKEN, guard_token=GUARD)
        self.http = Http(transport=httpx.ASGITransport(self.app))
        self.drills = HttpDrills(self.http, "http://chaos", TOKEN)

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[Running]:
        experiments = Experiments(self.site, self.database, self.faults, Permission(frozen=self.door.frozen))
        room = DrillRoom(
            site=self.site,
            database=self.database,
            faults=self.faults,
            experiments=experiments,
            responder=self.responder,
            door=self.door,
            rules=RoomRules(detect_s=5, finish_s=20),
        )
        self.door.redeem = room.gate.redeem
        yield Running(site=self.site, database=self.database, faults=self.faults, room=room)
        await room.close()
        await restore_everything(self.site, self.database, self.faults, by="interrupt")

    async def ask(self, method: str, path: str, body: Any = None, token: str = TOKEN) -> tuple[int, Any]:
        answer = await self.http.ask(method, f"http://chaos{path}", token=token, json=body)
        return answer.status, answer.body if answer.body is not None else answer.text

    async def ended(self, drill: str) -> DrillRun:
        while True:
            run = await self.drills.get(drill)
            if run.state.terminal:
                return run
            await asyncio.sleep(0)


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[Served]:
    """The server with its lifespan."""
    served = Served(home)
    async with served.app.router.lifespan_context(served.app), served.http:
        yield served


@pytest.mark.parametrize("path", ["/faults", "/status", "/metrics", "/drills", "/break/lease-1", "/drills/drill-1"])
async def test_everything_but_health_needs_the_token(tmp_path: Path, path: str) -> None:
    """No token and a wrong token are refused with a problem document."""
    async with serving(tmp_path) as served:
        for token in ("", "wrong"):
            status, body = await served.ask("GET", path, token=token)
            assert (status, body["code"]) == (401, AuthError.code)
        assert (await served.ask("GET", "/healthz", token=""))[0] == 200


async def test_break_look_stop(tmp_path: Path) -> None:
    """A fault can be injected, looked at without its label, and stopped; the label shows afterwards."""
    async with serving(tmp_path) as served:
        status, body = await served.ask("POST", "/break/wound", {"duration_s": 60, "magnitude": "high"})
        assert (status, body["state"], body["sealed"]) == (201, "active", True)
        assert "wound" not in str(body)
        assert "wound" not in str(await served.ask("GET", "/status"))
        assert "wound" not in str(await served.ask("GET", "/metrics"))
        assert "wound" not in str(served.door.entries)
        status, body = await served.ask("POST", f"/break/{body['id']}/stop")
        assert (status, body["state"], body["fault"]) == (200, "restored", "wound")
        assert "undo" not in body


async def test_a_labelled_break_says_what_it_is(tmp_path: Path) -> None:
    """A game day ships its label to the ledger and the metrics."""
    async with serving(tmp_path) as served:
        _, body = await served.ask("POST", "/break/wound", {"blind": False})
        assert body["fault"] == "wound"
        assert 'fault="wound"' in (await served.ask("GET", "/metrics"))[1]
        assert served.door.entries[0][2]["fault"] == "wound"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/break/nothing", {}, 409),
        ("/break/wound", {"duration_s": 0}, 422),
        ("/break/wound", {"parameters": {"depth": "deep"}}, 422),
        ("/break/wound", {"speed": 1}, 422),
        ("/drills", {"fault": "nothing"}, 409),
        ("/break/lease-0/stop", {}, 404),
    ],
)
async def test_bad_wishes_get_problem_documents(tmp_path: Path, path: str, body: dict[str, Any], status: int) -> None:
    """Every refusal names a code and a detail; nothing was broken."""
    async with serving(tmp_path) as served:
        found, document = await served.ask("POST", path, body)
        assert (found, bool(document["code"]), bool(document["detail"])) == (status, True, True)
        assert not served.world.broken


async def test_a_drill_runs_in_the_background_and_hides_its_label_meanwhile(tmp_path: Path) -> None:
    """While it runs the record has no fault, even when the caller named it; in the end it has the result."""
    async with serving(tmp_path) as served:
        served.door.hold = asyncio.Event()
        drill = await served.drills.start("wound")
        assert (await served.drills.get(drill)).fault is None
        served.door.hold.set()
        run = await served.ended(drill)
        assert run.state is DrillState.FINISHED
        assert run.result is not None
        assert run.result.fault == run.fault == "wound"
        assert run.progress
        assert [row.id for row in await served.drills.runs()] == [drill]


async def test_without_a_name_only_real_faults_are_drawn(tmp_path: Path) -> None:
    """A random drill always breaks something."""
    async with serving(tmp_path) as served:
        run = await served.ended(await served.drills.start(seed=1))
        assert run.fault == "wound"


async def test_one_drill_at_a_time(tmp_path: Path) -> None:
    """A second one is refused while the first runs."""
    async with serving(tmp_path) as served:
        drill = await served.drills.start("wound")
        with pytest.raises(ConflictError):
            await served.drills.start("wound")
        await served.ended(drill)


async def test_a_frozen_door_refuses_drills(tmp_path: Path) -> None:
    """Freezing stops breaking, too."""
    async with serving(tmp_path) as served:
        served.door.is_frozen = True
        assert (await served.ask("POST", "/drills", {}))[0] == 409


async def test_a_cluster_has_no_drills(tmp_path: Path) -> None:
    """The judge of a drill is a customer of the local stack; the refusal says what to do instead."""
    served = Served(tmp_path)
    served.site = replace(served.site, config=tmp_path / "stack" / "firebreak.yaml")
    async with served.app.router.lifespan_context(served.app), served.http:
        status, body = await served.ask("POST", "/drills", {})
        assert (status, body["code"]) == (409, "chaos.refused")
        assert "skill rehearse" in body["hint"]


async def test_kill_stops_drills_and_takes_everything_back(tmp_path: Path) -> None:
    """After the kill nothing is broken, the drill is interrupted, new ones are refused until resume."""
    async with serving(tmp_path) as served:
        served.responder.records = [incident(IncidentStatus.DIAGNOSING)]
        drill = await served.drills.start("wound", finish_s=800)
        while not served.world.broken:
            await asyncio.sleep(0)
        await served.drills.kill("smoke")
        assert not served.world.broken
        assert (await served.drills.get(drill)).state is DrillState.INTERRUPTED
        assert (await served.drills.status())["halted"]
        assert (await served.ask("POST", "/drills", {}))[0] == 409
        await served.drills.resume()
        assert (await served.ask("POST", "/break/wound", {}))[0] == 201


async def test_a_drill_that_cannot_be_done_says_why(tmp_path: Path) -> None:
    """No steady state: failed, with what was expected and found."""
    async with serving(tmp_path) as served:
        served.world.broken = True
        run = await served.ended(await served.drills.start("wound"))
        assert run.state is DrillState.FAILED
        assert "expected" in run.error


async def test_a_restarted_server_takes_back_what_its_drill_broke(tmp_path: Path) -> None:
    """After kill -9 the drill is interrupted and its lease restored; a lease outside a drill keeps its deadline."""
    first = Served(tmp_path)
    now = first.world.clock.now()
    first.database.put_drill(DrillRun(id="drill-9", state=DrillState.RUNNING, started_at=now))
    for name, drill in (("lease-1", "drill-9"), ("lease-2", None)):
        first.database.add(Lease(id=name, fault="wound", drill=drill, prepared_at=now, deadline=now.replace(year=2030)))
    await first.http.close()
    async with serving(tmp_path) as served:
        while len(served.database.leases(unfinished=True)) > 1:
            await asyncio.sleep(0)
        assert (await served.drills.get("drill-9")).state is DrillState.INTERRUPTED
        assert [lease.id for lease in served.database.leases(unfinished=True)] == ["lease-2"]


async def test_leaving_restores_everything(tmp_path: Path) -> None:
    """A server that is told to stop leaves nothing broken."""
    async with serving(tmp_path) as served:
        await served.ask("POST", "/break/wound", {"duration_s": 600})
        assert served.world.broken
    assert not served.world.broken


async def test_the_catalogue_is_listed(tmp_path: Path) -> None:
    """Faults come with family, service and the schema of their parameters."""
    async with serving(tmp_path) as served:
        rows = await served.drills.faults()
        assert [(row.name, row.abstain) for row in rows] == [("calm", True), ("wound", False)]
        assert rows[1].parameters["type"] == "object"
        with pytest.raises(NotFoundError):
            await served.drills.get("drill-0")


def test_every_error_has_a_status() -> None:
    """The table is total: any error of the tree finds a row."""
    assert STATUS[-1][0] is FirebreakError
    assert status_of(FirebreakError("x")) == 500
