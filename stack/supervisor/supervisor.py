"""The supervisor: brings the stack up, keeps it up, takes it down."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from typing import Any

from stack.database import cluster
from stack.home import PROXIES, Home, write_atomic, write_private
from stack.supervisor import description, inventory, orphans, settled, traffic, volume
from stack.supervisor.claim import Site
from stack.supervisor.fleet import Fleet

WATCH_S = 0.2
LOOK_AT_FILES_EVERY = 10
"""Rounds of watching between two looks at configuration and log files."""
MAX_LOG_BYTES = 16 * 1024 * 1024


class Supervisor:
    """One stack on a claimed home. `bring_up` starts what should run, `watch` keeps it so, `take_down` ends it."""

    def __init__(self, site: Site, *, begun: float, rps: float | None = None) -> None:
        self.site = site
        self.begun = begun
        self.ready = False
        self.working = asyncio.Lock()
        """Held while an operator's change is carried out."""
        self.late: list[str] = []
        """What did not answer when the rest was ready."""
        self.rolling: dict[str, str] | None = None
        """Which release each api process is to run while one is being rolled."""
        self.settled = settled.read(site.home.run / "settled.json")
        self.fleet = Fleet(site, self.settled, self.versions)
        self.fleet.adopt_or_clear(site)
        if rps is not None:
            self.set_load(rps)
        self._tasks: set[asyncio.Task[None]] = set()

    def versions(self) -> dict[str, str]:
        """Which release each api process is to run. While traffic is split `api` is v1 and `api-v2` is v2."""
        if self.rolling:
            return self.rolling
        release = self.settled.release
        return {"api": "v1" if release.split else release.version, "api-v2": "v2"}

    # -- up ------------------------------------------------------------------------------------------------------

    async def bring_up(self) -> None:
        """Start everything that should run; returns when users are served. Raises RuntimeError, ProblemError."""
        self.fleet.start_wanted((*PROXIES, "cache", "payments", "frontend"))
        if "postgres" in self.fleet.processes:
            await self._database()
        await self._provision()
        self.fleet.start_wanted(("api", "worker", "api-v2"))
        watching = asyncio.create_task(self.watch())
        self._tasks.add(watching)
        self.late = await self.fleet.wait_ready(self.fleet.wanted(), 12)
        if "proxy-api" not in self.late:
            await self.set_backends()
        self.fleet.start_wanted(("loadgen",))
        self.ready = True
        self.write_inventory()
        self.describe()

    async def _database(self) -> None:
        postgres, specs, home = self.fleet.processes["postgres"], self.fleet.specs, self.site.home
        if not postgres.wanted or postgres.pid:
            return
        assert specs.binaries is not None
        assert specs.run_as is not None
        arguments = (specs.binaries, specs.run_as, home.postgres_data, self.site.identity.passwords["admin"])
        if await asyncio.to_thread(cluster.create, *arguments):
            (home.run / "provisioned").unlink(missing_ok=True)
        postgres.spawn()
        await self.fleet.wait_ready(["postgres"], 15)

    async def _provision(self) -> None:
        """Once per server; one that is not ours may have been emptied since, so it is looked at each time."""
        marker, where = self.site.home.run / "provisioned", self.site.where
        server = f"{where.host}:{where.port}" if where.external else "own"
        first = not marker.exists() or marker.read_text() != server
        if first or where.external:
            await self.site.administration.provision(first=first)
            marker.write_text(server)

    # -- watching ------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Until cancelled: the processes every round, files every tenth."""
        rounds = 0
        while True:
            await asyncio.sleep(WATCH_S)
            rounds += 1
            changed = await self.fleet.observe()
            if rounds % LOOK_AT_FILES_EVERY == 0:
                self.site.configuration.notice_edits()
                trim_logs(self.site.home)
            if changed and self.ready:
                self.describe()

    # -- saying and remembering ----------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The live state, without secrets."""
        return description.status(self.site, self.fleet, self.settled.release, ready=self.ready)

    def describe(self) -> None:
        """Write stack.json."""
        row = description.with_secrets(self.site, self.status())
        write_private(self.site.home.description, json.dumps(row, indent=1))

    def write_inventory(self) -> None:
        """Write firebreak.yaml."""
        site = self.site
        found = inventory.document(site.home, site.identity, site.volume, site.where, site.control_url)
        write_atomic(site.home.inventory, inventory.render(found))

    def settle(self, **changes: Any) -> None:
        """Remember decisions."""
        self.settled = replace(self.settled, **changes)
        settled.write(self.site.home.run / "settled.json", self.settled)

    def settle_stopped(self, name: str, stopped: bool) -> None:
        """Remember whether a process stays stopped."""
        self.settle(stopped=self.settled.with_stopped(name, stopped).stopped)

    def set_load(self, rps: float) -> bool:
        """Tell the load generator how many requests per second to make; whether that is another number than before."""
        path = self.fleet.specs.load_file
        changed = traffic.read_load(path) != rps
        traffic.write_load(path, rps)
        return changed

    async def set_backends(self, only: str | None = None) -> None:
        """Tell the front proxy where requests go: by the release's weights, or to one process alone. Raises ProblemError."""
        identity = self.site.identity
        await traffic.tell_proxy(identity, traffic.backends(identity.ports, self.settled.release, only))

    # -- down ----------------------------------------------------------------------------------------------------

    async def take_down(self) -> None:
        """Stop everything, unmount, forget."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.fleet.stop()
        await asyncio.to_thread(clear_traces, self.site.home)


def trim_logs(home: Home) -> None:
    """Keep one earlier file of a log that grew too large. Whoever writes keeps its handle, so it is emptied in place."""
    for path in home.logs.glob("*.log"):
        with suppress(OSError):
            if path.stat().st_size > MAX_LOG_BYTES:
                shutil.copyfile(path, path.with_suffix(".log.1"))
                os.truncate(path, 0)


def clear_traces(home: Home) -> list[int]:
    """End whatever is left, unmount, and remove what describes a running stack. Returns who had to be ended."""
    ended = orphans.clear(home)
    volume.release(home)
    for path in (home.description, home.run / f"{orphans.SUPERVISOR}.pid", *home.run.glob("*.toxics.json")):
        path.unlink(missing_ok=True)
    return ended
