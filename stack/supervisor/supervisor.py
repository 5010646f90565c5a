"""The supervisor: brings the stack up, keeps it up, takes it down."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from stack.database import binaries, cluster
from stack.home import (
    PROXIES,
    Home,
    Identity,
    claim_block,
    listen,
    load_identity,
    new_identity,
    save_identity,
    write_atomic,
    write_private,
)
from stack.problem import ProblemError
from stack.supervisor import inventory, orphans, settled, volume
from stack.supervisor.changes import Changes
from stack.supervisor.configuration import Configuration
from stack.supervisor.database import EXPECTED_REVISION, EXTERNAL, Administration, place
from stack.supervisor.process import Process, State
from stack.supervisor.specs import NAMES, Specs
from stack.wire import fetch

WATCH_S = 0.2
LOOK_AT_FILES_EVERY = 10
"""Rounds of watching between two looks at configuration and log files."""
MAX_LOG_BYTES = 16 * 1024 * 1024
HTTP_READY = ("api", "api-v2", "frontend", "payments", "worker")


class AlreadyRunningError(Exception):
    """Another supervisor looks after this home."""


class Supervisor:
    """One stack. `open` claims the home, `bring_up` starts what should run, `watch` keeps it so, `take_down` ends it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.begun = time.monotonic()
        self.ready = False
        self.working = asyncio.Lock()
        """Held while an operator's change is carried out."""
        self.processes: dict[str, Process] = {}
        self.late: list[str] = []
        """What did not answer when the rest was ready."""
        self._tasks: set[asyncio.Task[None]] = set()

    # -- claiming ------------------------------------------------------------------------------------------------

    def open(self, rps: float | None) -> socket.socket:
        """Claim the home and its ports; the control endpoint's socket. Raises AlreadyRunningError, RuntimeError."""
        if orphans.supervisor_pid(self.home) not in (None, os.getpid()):
            raise AlreadyRunningError(f"a supervisor already runs for {self.home.root}")
        self.home.create()
        held, moved = self._claim()
        orphans.record_supervisor(self.home)
        self.control_url = self.identity.url("control")
        self.volume = volume.prepare(self.home)
        self.where = place(self.identity, os.environ.get(EXTERNAL, ""))
        self.changes = Changes(self.home.changes)
        self.configuration = Configuration(self.home, self.identity, self.changes)
        self.configuration.create(moved=moved)
        self.administration = Administration(self.where, self.identity, self.home.migrations)
        self.settled = settled.read(self.home.run / "settled.json")
        self._build_processes()
        self._adopt_or_clear(clear=moved)
        if rps is not None:
            self.write_load(rps)
        return held

    def _claim(self) -> tuple[socket.socket, bool]:
        former = load_identity(self.home)
        held = listen(former.ports["control"]) if former else None
        if former and held:
            self.identity: Identity = former
            return held, False
        ports, fresh = claim_block()
        self.identity = new_identity(ports, former)
        save_identity(self.home, self.identity)
        return fresh, former is not None

    def _build_processes(self) -> None:
        own = None if self.where.external else binaries.find()
        run_as = binaries.run_as(own, self.home.postgres_data) if own else None
        self.specs = Specs(
            home=self.home,
            identity=self.identity,
            volume=self.volume,
            where=self.where,
            binaries=own,
            run_as=run_as,
            versions=self.versions,
        )
        for name in NAMES:
            if name == "postgres" and self.where.external:
                continue
            wanted = name not in self.settled.stopped and (name != "api-v2" or self.settled.release.split)
            self.processes[name] = Process(name, self.specs.of(name), wanted=wanted)

    def _adopt_or_clear(self, *, clear: bool) -> None:
        adopted = [p for p in self.processes.values() if not clear and p.wanted and p.adopt()]
        kept = [p.pid for p in adopted if p.pid] + ([self.volume.holder] if self.volume.holder else [])
        # Children of what we keep (database sessions) carry the same mark.
        spare = [pid for p in adopted if p.pid for pid in [p.pid, *_descendants(p.pid)]]
        orphans.clear(self.home, spare=[*kept, *spare])

    def versions(self) -> dict[str, str]:
        """Which release each api process is to run. While traffic is split `api` is v1 and `api-v2` is v2."""
        if self.rolling:
            return self.rolling
        release = self.settled.release
        return {"api": "v1" if release.split else release.version, "api-v2": "v2"}

    rolling: dict[str, str] | None = None
    """Set while a release is being rolled."""

    # -- up ------------------------------------------------------------------------------------------------------

    async def bring_up(self) -> None:
        """Start everything that should run; returns when users are served. Raises RuntimeError, ProblemError."""
        self._start_wanted((*PROXIES, "cache", "payments", "frontend"))
        if "postgres" in self.processes:
            await self._database()
        await self._provision()
        self._start_wanted(("api", "worker", "api-v2"))
        watching = asyncio.create_task(self.watch())
        self._tasks.add(watching)
        self.late = await self.wait_ready(
            [p.name for p in self.processes.values() if p.wanted and p.name != "loadgen"], 12
        )
        if "proxy-api" not in self.late:
            await self.set_backends()
        self._start_wanted(("loadgen",))
        self.ready = True
        self.write_inventory()
        self.describe()

    async def _database(self) -> None:
        postgres = self.processes["postgres"]
        if not postgres.wanted or postgres.pid:
            return
        assert self.specs.binaries is not None
        assert self.specs.run_as is not None
        arguments = (self.specs.binaries, self.specs.run_as, self.home.postgres_data, self.identity.passwords["admin"])
        if await asyncio.to_thread(cluster.create, *arguments):
            (self.home.run / "provisioned").unlink(missing_ok=True)
        postgres.spawn()
        await self.wait_ready(["postgres"], 15)

    async def _provision(self) -> None:
        """Once per server; one that is not ours may have been emptied since, so it is looked at each time."""
        marker = self.home.run / "provisioned"
        server = f"{self.where.host}:{self.where.port}" if self.where.external else "own"
        first = not marker.exists() or marker.read_text() != server
        if first or self.where.external:
            await self.administration.provision(first=first)
            marker.write_text(server)

    def _start_wanted(self, names: Sequence[str]) -> None:
        for name in names:
            process = self.processes[name]
            if process.wanted and process.pid is None:
                process.spawn()

    async def wait_ready(self, names: Sequence[str], seconds: float) -> list[str]:
        """Until these answer, or crash, or time is up; those that do not answer."""
        deadline = time.monotonic() + seconds
        waiting = list(names)
        while waiting and time.monotonic() < deadline:
            for name in list(waiting):
                if await self._answers(self.processes[name]):
                    waiting.remove(name)
            if all(self.processes[name].failures for name in waiting):
                break
            if waiting:
                await asyncio.sleep(0.05)
        return waiting

    async def _answers(self, process: Process) -> bool:
        if process.pid is None:
            return False
        if process.ready:
            return True
        spec = process.spec()
        try:
            if process.name in HTTP_READY:
                process.ready = (await fetch("GET", f"{spec.url}/healthz", timeout_s=1.0)).status == 200
            elif spec.port:
                _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", spec.port), 1.0)
                writer.close()
                process.ready = True
            else:
                process.ready = True
        except (OSError, TimeoutError, ValueError):
            return False
        return process.ready

    # -- watching ------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Until cancelled: restart what crashed, with backoff. What hangs is left to hang, what is paused stays so."""
        rounds = 0
        while True:
            await asyncio.sleep(WATCH_S)
            rounds += 1
            changed = False
            for process in self.processes.values():
                changed |= process.observe(time.monotonic())
                if process.pid is not None and not process.ready and process.state is State.STARTING:
                    changed |= await self._answers(process)
            if rounds % LOOK_AT_FILES_EVERY == 0:
                self.configuration.notice_edits()
                self._trim_logs()
            if changed and self.ready:
                self.describe()

    def _trim_logs(self) -> None:
        for path in self.home.logs.glob("*.log"):
            with suppress(OSError):
                if path.stat().st_size > MAX_LOG_BYTES:
                    # Whoever writes keeps its handle, so the file is emptied in place.
                    shutil.copyfile(path, path.with_suffix(".log.1"))
                    os.truncate(path, 0)

    # -- saying --------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The live state, without secrets."""
        release = self.settled.release
        rows = [process.row() for name, process in self.processes.items() if name != "api-v2" or self._spare_shown()]
        for row in rows:
            if row["name"] in PROXIES:
                row["admin_url"] = self.identity.url(f"{row['name']}-admin")
        return {
            "schema_version": "1",
            "home": str(self.home.root),
            "pid": os.getpid(),
            "ready": self.ready,
            "control_url": self.control_url,
            "shop_url": self.identity.url("frontend"),
            "inventory": str(self.home.inventory),
            "changes": str(self.home.changes),
            "processes": rows,
            "data_dirs": {"api": str(self.volume.path), "postgres": str(self.home.postgres_data)},
            "data_fs": {"api": self.volume.kind, "bytes": volume.SIZE_BYTES},
            "config_files": self.configuration.files(),
            "release": {"version": release.version, "previous": release.previous, "weights": dict(release.weights)},
            "route": {"db": self.configuration.route()},
            "pool_size": self.configuration.pool_size(),
            "upstream": {"payments": self.configuration.provider()},
            "schema": {"expected": EXPECTED_REVISION},
            "load": {"rps": self.read_load()},
            "postgres": {"external": self.where.external, "host": self.where.host, "port": self.where.port},
        }

    def _spare_shown(self) -> bool:
        return self.settled.release.split or self.processes["api-v2"].pid is not None

    def describe(self) -> None:
        """Write stack.json: the status and everything secret that an operator of the stack needs."""
        proxies = {
            name: {
                "admin_url": self.identity.url(f"{name}-admin"),
                "token": self.identity.proxy_token,
                "host": "127.0.0.1",
                "port": self.identity.ports[name],
            }
            for name in PROXIES
        }
        row = self.status() | {
            "control_token": self.identity.control_token,
            "read_token": self.identity.read_token,
            "admin_dsn": self.where.admin_dsn,
            "monitor_dsn": self.where.monitor_dsn,
            "proxies": proxies,
        }
        write_private(self.home.description, json.dumps(row, indent=1))

    def write_inventory(self) -> None:
        """Write firebreak.yaml."""
        found = inventory.document(self.home, self.identity, self.volume, self.where, self.control_url)
        write_atomic(self.home.inventory, inventory.render(found))

    def settle(self, **changes: Any) -> None:
        """Remember decisions."""
        self.settled = replace(self.settled, **changes)
        settled.write(self.home.run / "settled.json", self.settled)

    def settle_stopped(self, name: str, stopped: bool) -> None:
        """Remember whether a process stays stopped."""
        self.settled = self.settled.with_stopped(name, stopped)
        settled.write(self.home.run / "settled.json", self.settled)

    # -- load and backends ---------------------------------------------------------------------------------------

    def read_load(self) -> float:
        """Requests per second the load generator is told to make."""
        try:
            return float(json.loads(self.specs.load_file.read_text())["rps"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0

    def write_load(self, rps: float) -> None:
        """Tell the load generator; it reads the file at SIGHUP."""
        write_atomic(self.specs.load_file, json.dumps({"rps": rps}))

    async def set_backends(self, only: str | None = None) -> None:
        """Tell the front proxy where requests go: by the release's weights, or to one process alone."""
        ports, release = self.identity.ports, self.settled.release
        rows: list[dict[str, float]]
        if only:
            rows = [{"port": ports[only], "weight": 100}]
        elif release.split:
            rows = [
                {"port": ports["api"], "weight": release.weights["v1"]},
                {"port": ports["api-v2"], "weight": release.weights["v2"]},
            ]
        else:
            rows = [{"port": ports["api"], "weight": 100}]
        headers = {"Authorization": f"Bearer {self.identity.proxy_token}"}
        url = f"{self.identity.url('proxy-api-admin')}/backends"
        try:
            answer = await fetch("POST", url, body={"backends": rows}, headers=headers, timeout_s=2.0)
        except (OSError, TimeoutError, ValueError) as error:
            raise ProblemError(503, "proxy.unreachable", f"proxy-api does not take orders: {error}") from error
        if answer.status != 200:
            raise ProblemError(502, "proxy.refused", f"proxy-api answered {answer.status}")

    # -- down ----------------------------------------------------------------------------------------------------

    async def take_down(self) -> None:
        """Stop everything in an order that leaves nobody waiting, unmount, forget."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for group in (
            ("loadgen",),
            ("frontend", "api", "api-v2", "worker", "payments"),
            (*PROXIES, "postgres", "cache"),
        ):
            await asyncio.gather(*(self.processes[name].stop() for name in group if name in self.processes))
        await asyncio.to_thread(clear_traces, self.home)


def clear_traces(home: Home) -> list[int]:
    """End whatever is left, unmount, and remove what describes a running stack. Returns who had to be ended."""
    ended = orphans.clear(home)
    volume.release(home)
    for path in (home.description, home.run / f"{orphans.SUPERVISOR}.pid", *home.run.glob("*.toxics.json")):
        path.unlink(missing_ok=True)
    return ended


def _descendants(pid: int) -> list[int]:
    """Pids of the same session, which each of our processes leads."""
    found: list[int] = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != pid:
            with suppress(OSError):
                if os.getsid(int(entry)) == pid:
                    found.append(int(entry))
    return found


def say(**facts: Any) -> None:
    """One JSON line on stdout."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
