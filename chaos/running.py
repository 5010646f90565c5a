"""What a chaos process is made of, opened and closed together. The only place where the parts meet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.agents import Disturber
from chaos.catalogue import catalogue
from chaos.control import HttpControl, HttpProxies
from chaos.experiment import Experiments, Permission
from chaos.http import Http
from chaos.model import Fault
from chaos.postgres import AdminDatabase
from chaos.process import LocalMachine
from chaos.reaper import restore_everything, run_reaper
from chaos.responder import HttpDoor, HttpResponder
from chaos.room import DrillRoom, RoomRules
from chaos.shop import HttpShop
from chaos.site import Site, read_facts
from chaos.sqlite import ChaosDatabase
from domain.clock import SystemClock
from governance.state.redis import RedisState


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where things are and who may speak to whom."""

    home: Path
    """Firebreak's home; leases live in `<home>/chaos.db`."""
    stack_home: Path
    app_url: str = ""
    action_url: str = ""
    chaos_token: str = ""
    """For the action server's ledger and the app's API."""
    intake_token: str = ""
    """A pager's token."""
    redis_url: str = ""
    """Where agents share their state; empty: nowhere that this process can reach."""
    person_token: str = ""
    """A person's token; only for examinations in which the examiner answers approvals. Never set by default."""

    @property
    def database(self) -> Path:
        """The lease store."""
        return self.home / "chaos.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The parts of a live chaos server."""

    site: Site
    database: ChaosDatabase
    faults: Mapping[str, Fault]
    room: DrillRoom
    disturber: Disturber | None = None
    """None where agents share no store with this process."""


@asynccontextmanager
async def open_site(home: Path, stack_home: Path) -> AsyncIterator[Site]:
    """The patient's outside."""
    machine = LocalMachine(home / "chaos")
    async with Http() as http:
        yield Site(
            home=home,
            stack_home=stack_home,
            shop=HttpShop(http, lambda: read_facts(stack_home)),
            control=HttpControl(http, lambda: read_facts(stack_home)),
            database=AdminDatabase(lambda: read_facts(stack_home).admin_dsn),
            proxies=HttpProxies(http, lambda: read_facts(stack_home)),
            machine=machine,
            clock=SystemClock(),
        )
    machine.close()


@asynccontextmanager
async def open_chaos(place: Place, rules: RoomRules | None = None) -> AsyncIterator[Running]:
    """A chaos server's parts; leaving interrupts drills and takes back everything that is broken."""
    database, faults = ChaosDatabase(place.database), catalogue()
    async with open_site(place.home, place.stack_home) as site, Http() as http:
        door = HttpDoor(http, place.action_url, place.chaos_token)
        responder = HttpResponder(
            http, place.app_url, place.chaos_token, intake_token=place.intake_token, person_token=place.person_token
        )
        experiments = Experiments(site, database, faults, Permission(frozen=door.frozen))
        room = DrillRoom(
            site=site,
            database=database,
            faults=faults,
            experiments=experiments,
            responder=responder,
            door=door,
            rules=rules or RoomRules(),
        )
        shared = RedisState(place.redis_url, site.clock) if place.redis_url else None
        disturber = Disturber(door, shared, site.clock) if shared else None
        try:
            yield Running(site=site, database=database, faults=faults, room=room, disturber=disturber)
        finally:
            if disturber is not None and shared is not None:
                await disturber.close()
                await shared.aclose()
            await room.close()
            await restore_everything(site, database, faults, by="interrupt")


async def reap_forever(home: Path, stack_home: Path) -> None:
    """The reaper process; ends when cancelled."""
    database, faults = ChaosDatabase(home / "chaos.db"), catalogue()
    async with open_site(home, stack_home) as site:
        await run_reaper(site, database, faults)


async def restore_home(home: Path, stack_home: Path) -> int:
    """For a shutdown after a crash: take back all that is still broken; how many there were."""
    if not (home / "chaos.db").exists():
        return 0
    async with open_site(home, stack_home) as site:
        return len(await restore_everything(site, ChaosDatabase(home / "chaos.db"), catalogue(), by="shutdown"))
