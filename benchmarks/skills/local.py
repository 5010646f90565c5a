"""Places on the local stack: real processes, a fresh stack for every attempt, broken by the chaos server under a lease.

The home around it only watches. Methods get the product's own bench: its probes, its diagnosis, its action server with the guard.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

from chaos.client import HttpDrills
from chaos.http import Http
from cli import installation
from cli.client import AppClient
from cli.config import load_inventory
from cli.home import Home
from cli.session import SESSION
from cli.temporary import temporary_home
from domain.errors import ProcessError
from graph.bootstrap import build_house
from graph.settings import load_settings
from skills.bench import Bench
from skills.evaluation.task import Task
from skills.look import see_all

LEASE_S = 600.0
HEALTHY_S = 180.0
"""How long a fresh stack may take until users are served."""
STATE_S = 30.0
"""The stack may answer late while it is broken."""
PAUSE_S = 0.5
TRIES = 5
"""Of starting a stack: on a busy machine one may not be ready in time."""
DECLARED = ("release", "route", "pool_size", "upstream")
"""What the stack's status says that somebody decided."""
READ = {"read_token": "FIREBREAK_STACK_READ_TOKEN", "monitor_dsn": "FIREBREAK_STACK_MONITOR_DSN"}


class StackPlace:
    """One stack with its action server."""

    def __init__(self, home: Home, bench: Bench, http: Http) -> None:
        self._facts, self._bench, self._http = home.stack_facts(), bench, http

    @property
    def bench(self) -> Bench:
        """See Place."""
        return self._bench

    async def state(self) -> str:
        """See Place: release, routes, pool, provider, schema, and every configuration file."""
        url, token = self._facts["control_url"], self._facts["read_token"]
        status = await self._http.json("GET", f"{url}/status", token=token, timeout_s=STATE_S)
        schema = await self._http.json("GET", f"{url}/migrations", token=token, timeout_s=STATE_S)
        files = {name: _digest(Path(file)) for name, file in status["config_files"].items()}
        return json.dumps([{key: status[key] for key in DECLARED}, schema, files], sort_keys=True)


class StackArena:
    """A stack per attempt, so one attempt at a time."""

    @asynccontextmanager
    async def broken(self, task: Task) -> AsyncIterator[StackPlace]:
        """See Arena. The fault is proven to be there before the attempt begins, and goes with the stack."""
        async with _home() as home, Http() as http, bench_at(home) as bench:
            place = StackPlace(home, bench, http)
            await _settled(task, place)
            if task.fault:
                drills = HttpDrills(http, urls(home)["chaos"], home.token("chaos"))
                await drills.inject(task.fault, lease_s=LEASE_S)
            yield place


@asynccontextmanager
async def _home() -> AsyncIterator[Home]:
    """Everything of a home whose responder only watches; starting and stopping block a thread, not the loop."""
    os.environ["FIREBREAK_AUTONOMY"] = "observe"
    running = await _started(TRIES)
    try:
        yield SESSION.home
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def _started(tries: int) -> AbstractContextManager[AppClient]:
    """A running home. Raises ProcessError when a busy machine did not let it start in any of the tries."""
    running = temporary_home("", lambda _: None)
    try:
        await asyncio.to_thread(running.__enter__)
    except ProcessError:
        if tries == 1:
            raise
        return await _started(tries - 1)
    return running


@asynccontextmanager
async def bench_at(home: Home) -> AsyncIterator[Bench]:
    """The bench that the app of a running home has, without its runs; its stores are closed afterwards."""
    facts, where = home.stack_facts(), urls(home)
    read = {variable: str(facts[name]) for name, variable in READ.items()}
    env = {**os.environ, **read, "FIREBREAK_HOME": str(home.path), "FIREBREAK_ACTION_URL": where["action-server"]}
    config = home.stack / "firebreak.yaml"
    settings = load_settings().model_copy(update={"home": home.path})
    house = build_house(settings, load_inventory(config), env, root=config.parent)
    try:
        yield house.skills.bench
    finally:
        await house.close()


def urls(home: Home) -> Mapping[str, str]:
    """Process → its address."""
    return {row["name"]: row["url"] for row in installation.status(home) if row.get("url")}


async def _settled(task: Task, place: StackPlace) -> None:
    """Wait until users of the whole stack are served. Raises TimeoutError."""
    async with asyncio.timeout(HEALTHY_S):
        while not all(s.holds for s in await see_all(task.visible, place.bench, patient=False)):
            await asyncio.sleep(PAUSE_S)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
