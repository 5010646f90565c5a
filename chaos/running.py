"""What a chaos process is made of, opened and closed together. The only place where the parts meet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from chaos.agents import Disturber
from chaos.catalogue import catalogue
from chaos.cluster.catalogue import cluster_catalogue
from chaos.cluster.patient import ClusterUsers
from chaos.control import HttpControl, HttpProxies
from chaos.experiment import Experiments, Permission
from chaos.http import Http
from chaos.kubernetes import reaching
from chaos.model import Fault
from chaos.postgres import AdminDatabase
from chaos.process import LocalMachine
from chaos.reaper import restore_everything, run_reaper
from chaos.responder import HttpDoor, HttpResponder
from chaos.room import DrillRoom, RoomRules
from chaos.shop import HttpShop
from chaos.site import Site, read_facts, read_inventory
from chaos.sqlite import ChaosDatabase
from domain.clock import SystemClock
from governance.state.redis import RedisState


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where things are and who may speak to whom."""

    home: Path
    """Firebreak's home; leases live in `<home>/chaos.db`."""
    stack_home: Path
    config: Path | None = None
    """Someone's own inventory, whose clusters are broken in the stack's place."""
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
async def open_site(home: Path, stack_home: Path, config: Path | None = None) -> AsyncIterator[Site]:
    """The patient's outside: the local stack, or the clusters of someone's own inventory."""
    machine = LocalMachine(home / "chaos")
    async with Http() as http:
        site = Site(
            home=home,
            stack_home=stack_home,
            shop=HttpShop(http, lambda: read_facts(stack_home)),
            control=HttpControl(http, lambda: read_facts(stack_home)),
            database=AdminDatabase(lambda: read_facts(stack_home).admin_dsn),
            proxies=HttpProxies(http, lambda: read_facts(stack_home)),
            machine=machine,
            clock=SystemClock(),
        )
        yield _of_clusters(site, config) if config else site
    machine.close()


def _of_clusters(site: Site, config: Path) -> Site:
    """The same site with namespaces in the place of the stack; whoever asks for the stack's parts is told that it is not there."""
    reach = reaching(config.parent)
    users = ClusterUsers(lambda: read_inventory(config), reach)
    return replace(site, shop=users, control=users, config=config, reach=reach)


def faults_of(site: Site) -> dict[str, Fault]:
    """What can be broken at this site. Raises ChaosError, PatientError for an inventory that cannot be read."""
    return cluster_catalogue(site.inventory()) if site.config else catalogue()


@asynccontextmanager
async def open_chaos(place: Place, rules: RoomRules | None = None) -> AsyncIterator[Running]:
    """A chaos server's parts; leaving interrupts drills and takes back everything that is broken."""
    database = ChaosDatabase(place.database)
    async with open_site(place.home, place.stack_home, place.config) as site, Http() as http:
        faults = faults_of(site)
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


async def reap_forever(home: Path, stack_home: Path, config: Path | None = None) -> None:
    """The reaper process; ends when cancelled."""
    database = ChaosDatabase(home / "chaos.db")
    async with open_site(home, stack_home, config) as site:
        await run_reaper(site, database, faults_of(site))


async def restore_home(home: Path, stack_home: Path, config: Path | None = None) -> int:
    """For a shutdown after a crash: take back all that is still broken; how many there were."""
    if not (home / "chaos.db").exists():
        return 0
    async with open_site(home, stack_home, config) as site:
        return len(await restore_everything(site, ChaosDatabase(home / "chaos.db"), faults_of(site), by="shutdown"))
