"""The processes of one stack: which should run, which are taken over, which answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from stack.database import binaries
from stack.home import PROXIES
from stack.supervisor import orphans, procfs
from stack.supervisor.claim import Site
from stack.supervisor.process import Process, State
from stack.supervisor.settled import Settled
from stack.supervisor.specs import NAMES, Specs
from stack.wire import fetch

HTTP_READY = ("api", "api-v2", "frontend", "payments", "worker")
STOPPED_IN_TURN: tuple[tuple[str, ...], ...] = (
    ("loadgen",),
    ("frontend", "api", "api-v2", "worker", "payments"),
    (*PROXIES, "postgres", "cache"),
)
"""An order that leaves nobody waiting for somebody who is gone."""


class Fleet:
    """Processes by name. What should run is known from the start; nothing is started here that was not asked for."""

    def __init__(self, site: Site, settled: Settled, versions: Callable[[], Mapping[str, str]]) -> None:
        own = None if site.where.external else binaries.find()
        run_as = binaries.run_as(own, site.home.postgres_data) if own else None
        self.specs = Specs(
            home=site.home,
            identity=site.identity,
            volume=site.volume,
            where=site.where,
            binaries=own,
            run_as=run_as,
            versions=versions,
        )
        self.processes: dict[str, Process] = {}
        for name in NAMES:
            if name == "postgres" and site.where.external:
                continue
            wanted = name not in settled.stopped and (name != "api-v2" or settled.release.split)
            self.processes[name] = Process(name, self.specs.of(name), wanted=wanted)

    def adopt_or_clear(self, site: Site) -> None:
        """Take over what an earlier supervisor left running, and end everything else of this home."""
        adopted = [p for p in self.processes.values() if not site.moved and p.wanted and p.adopt()]
        kept = [p.pid for p in adopted if p.pid] + ([site.volume.holder] if site.volume.holder else [])
        # Children of what we keep (database sessions) carry the same mark.
        spare = [pid for p in adopted if p.pid for pid in [p.pid, *procfs.session_members(p.pid)]]
        orphans.clear(site.home, spare=[*kept, *spare])

    def start_wanted(self, names: Sequence[str]) -> None:
        """Those of them that should run and do not."""
        for name in names:
            process = self.processes[name]
            if process.wanted and process.pid is None:
                process.spawn()

    def wanted(self) -> list[str]:
        """Who should answer when the stack is up. The load generator answers nobody."""
        return [p.name for p in self.processes.values() if p.wanted and p.name != "loadgen"]

    async def wait_ready(self, names: Sequence[str], seconds: float) -> list[str]:
        """Until these answer, or crash, or time is up; those that do not answer."""
        deadline = time.monotonic() + seconds
        waiting = list(names)
        while waiting and time.monotonic() < deadline:
            for name in list(waiting):
                if await answers(self.processes[name]):
                    waiting.remove(name)
            if all(self.processes[name].failures for name in waiting):
                break
            if waiting:
                await asyncio.sleep(0.05)
        return waiting

    async def observe(self) -> bool:
        """Restart what crashed, with backoff; whether anything changed. What hangs is left to hang, what is paused stays so."""
        changed = False
        for process in self.processes.values():
            changed |= process.observe(time.monotonic())
            if process.pid is not None and not process.ready and process.state is State.STARTING:
                changed |= await answers(process)
        return changed

    async def stop(self) -> None:
        """End them all."""
        for group in STOPPED_IN_TURN:
            await asyncio.gather(*(self.processes[name].stop() for name in group if name in self.processes))


async def answers(process: Process) -> bool:
    """Whether it is ready, as its own health check or its port says; once ready it is not asked again."""
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
