"""How fast a revoked agent is harmless: from the revocation's request to the first refused call, over real HTTP.

An agent knocks without a pause; a person revokes it. Beside it, measured in the same run: the kill switch, which stops
everybody. The last row has a step of the agent running when it is revoked: until it is cut off and marked.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from domain.action import Verdict
from governance.guard.agents_client import HttpAgents
from governance.guard.build import open_home_ledger
from governance.guard.client import HttpGuard
from governance.guard.server import build_action_server
from tests.fakes.guard import RESTART, TOKENS, Scene, actor, call, plan

ROUNDS = 15
LIMIT_MS = 100.0


async def measure() -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of every round: revocations, kill switches, revocations while a step runs."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(ledger=open_home_ledger(Path(folder)))
        async with (
            _served(scene) as url,
            HttpGuard(url, TOKENS["agent"][0]) as agent,
            HttpGuard(url, TOKENS["operator"][0]) as person,
        ):
            agents = HttpAgents(person)
            await agent.judge(plan(call("read_status"), id="plan-0", incident="inc-0"), actor(change="inc-0"))
            revoked = await _rounds(
                agent, lambda: agents.revoke("responder", "measured"), lambda: agents.reinstate("responder", "next")
            )
            frozen = await _rounds(agent, lambda: person.freeze("measured"), lambda: person.resume("next"))
            running = [await _running(scene, agent, agents, n) for n in range(5)]
        scene.store.close()
    return revoked, frozen, running


async def _rounds(
    agent: HttpGuard, stop: Callable[[], Awaitable[object]], undo: Callable[[], Awaitable[object]]
) -> list[float]:
    found = []
    for _ in range(ROUNDS):
        knocking = asyncio.ensure_future(_until_refused(agent))
        await asyncio.sleep(0.05)
        started = time.perf_counter()
        await stop()
        found.append((await knocking - started) * 1000)
        await undo()
    return found


async def _until_refused(agent: HttpGuard) -> float:
    while True:
        receipt = await agent.apply("plan-0", "s1", actor(change="inc-0"))
        if receipt.verdict is Verdict.DENY:
            return time.perf_counter()


async def _running(scene: Scene, agent: HttpGuard, agents: HttpAgents, n: int) -> float:
    """Milliseconds from the request until the running step was cut off."""
    change = f"inc-r{n}"
    await agent.judge(plan(RESTART, id=f"plan-r{n}", incident=change), actor(change=change))
    scene.executor.hold = asyncio.Event()
    before = len(scene.executor.executed)
    step = asyncio.ensure_future(agent.apply(f"plan-r{n}", "s1", actor(change=change)))
    while len(scene.executor.executed) == before:
        await asyncio.sleep(0.001)
    started = time.perf_counter()
    report = await agents.revoke("responder", "measured")
    seconds = time.perf_counter() - started
    assert report.stopped, "the step was running"
    await step
    scene.executor.hold = None
    await agents.reinstate("responder", "next round")
    return seconds * 1000


@asynccontextmanager
async def _served(scene: Scene) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(build_action_server(scene.guard), port=0, log_level="error", lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


def table(revoked: list[float], frozen: list[float], running: list[float]) -> str:
    """The table as it is printed."""
    rows = [
        ("revocation to refused call", revoked),
        ("kill switch to refused call", frozen),
        ("revocation to running step cut off", running),
    ]
    lines = ["| from … to … | rounds | p50 ms | worst ms |", "|---|---|---|---|"]
    lines += [f"| {name} | {len(ms)} | {statistics.median(ms):.1f} | {max(ms):.1f} |" for name, ms in rows]
    ratio = statistics.median(revoked) / statistics.median(frozen)
    within = sum(ms <= LIMIT_MS for ms in revoked)
    lines.append(f"\nwithin {LIMIT_MS:.0f} ms: {within} of {len(revoked)}; {ratio:.2f} × the kill switch")
    return "\n".join(lines)


def main() -> int:
    """Print it; 1 when a refusal took longer than the limit."""
    revoked, frozen, running = asyncio.run(measure())
    sys.stdout.write(table(revoked, frozen, running) + "\n")
    return 1 if max(revoked) > LIMIT_MS else 0


if __name__ == "__main__":
    raise SystemExit(main())
