"""The two processes of a crash run: an action server over an instrumented ledger, and a responder that asks it."""

from __future__ import annotations

import asyncio
import json
import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn

import graph.driver
from domain.clock import SystemClock
from governance.guard.build import build_guard
from governance.guard.client import HttpGuard
from governance.guard.server import build_action_server
from governance.ledger.opening import Place, open_ledger
from governance.policy import load_policy
from governance.state.crew import Crew
from governance.state.memory import MemoryState
from graph.checkpoint.sqlite import open_sqlite_saver
from graph.services import Services
from graph.voices import ledger_note
from tests.fakes.crash.points import Files, InstrumentedLedger, Points, Victim, write_whole
from tests.fakes.crash.world import INVENTORY, FastClock, FileExecutor, FileWorld, diagnose
from tests.fakes.guard import TOKENS, identities
from tests.fakes.house import House
from tests.fakes.responder import all_closed, responder, until


def action_server(home: Path, port: int, at: int | str, victim: Victim, policy: str = "production") -> None:
    """Serves until it is killed."""
    points = Points(Files(home), at, victim)
    ledger: Any = InstrumentedLedger(open_ledger(Place(home=home)), points)
    guard = build_guard(
        executor=FileExecutor(FileWorld(home / "effects.jsonl"), points.reach),
        inventory=INVENTORY,
        ledger=ledger,
        identities=identities(),
        policy=load_policy(policy),
        clock=SystemClock(),
    )
    config = uvicorn.Config(build_action_server(guard), port=port, log_config=None, access_log=False)
    uvicorn.Server(config).run()


@dataclass
class FileHouse(House):
    """The whole graph over the world in the file, acting through the action server."""

    url: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        # On the machine's clock, as in the product: the tokens of a process that starts again are newer.
        self.crew = Crew(MemoryState(SystemClock()), SystemClock())

    @property
    def services(self) -> Services:
        found = super().services
        guard = HttpGuard(self.url, TOKENS["agent"][0])
        note = ledger_note(guard)
        return replace(found, guard=guard, inventory=INVENTORY, diagnose=diagnose, clock=FastClock(), note=note)


def app(home: Path, port: int) -> None:
    """Runs the incident to its end and says how it ended."""
    files = Files(home)
    files.app_pid.write_text(str(os.getpid()))
    warnings.simplefilter("ignore")
    graph.driver.POLL_S = 0.05
    asyncio.run(_run(files, f"http://127.0.0.1:{port}"))


async def _run(files: Files, url: str) -> None:
    world: Any = FileWorld(files.home / "effects.jsonl")
    async with open_sqlite_saver(files.home / "checkpoints.db") as saver:
        house = FileHouse(world, saver=saver, url=url)
        async with responder(house, files.home) as runner:
            if not (await runner.incidents()).incidents:
                await runner.submit_delivery("generic", {}, json.dumps([{}]).encode())
            [incident] = await until(runner, all_closed, seconds=280)
    results = [{"step": r.action + " " + r.target, "outcome": r.outcome.value} for r in incident.results]
    write_whole(files.done, {"status": incident.status.value, "outcome": incident.outcome, "results": results})
