"""A holder that was stopped and wakes after its lock was taken is refused at the action server, by its token."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from domain.action import Outcome
from domain.clock import SystemClock
from domain.errors import LeaseLostError
from governance.guard.client import HttpGuard
from governance.state.crew import Crew
from governance.state.redis import RedisState
from tests.fakes.guard import RESTART, SCALE, TOKENS, Scene, actor
from tests.fakes.redis_server import running_redis
from tests.fakes.served import served

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]


async def test_a_stopped_holder_that_wakes_up_is_refused() -> None:
    """SIGSTOP in one process, takeover in another, SIGCONT: the ledger has the refusal, the world one effect."""
    scene = Scene(clock=SystemClock())  # type: ignore[arg-type]
    with running_redis() as redis_url:
        async with served(scene) as action_url:
            args = (redis_url, action_url, TOKENS["agent"][0])
            sleeper = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.fakes.sleeper", *args, cwd=ROOT, stdout=asyncio.subprocess.PIPE
            )
            assert sleeper.stdout is not None
            stale = json.loads(await sleeper.stdout.readline())["token"]
            await stopped(sleeper.pid)

            shared = RedisState(redis_url, SystemClock())
            crew = Crew(shared, SystemClock())
            assert await crew.lock("inc-1", "responder@inc-1") is not None
            newest = crew.fence("inc-1")
            assert newest > stale
            async with HttpGuard(action_url, TOKENS["agent"][0]) as guard:
                me = actor().model_copy(update={"fence": newest})
                assert (await guard.apply("plan-1", "s1", me)).outcome is Outcome.SUCCEEDED

            os.kill(sleeper.pid, signal.SIGCONT)
            answer = json.loads(await sleeper.stdout.readline())
            assert await sleeper.wait() == 0
            assert answer["verdict"] == "deny"
            assert f"the agent's token is {stale}, newest is {newest}" in answer["summary"]
            assert [action for action, *_ in scene.executor.executed] == [RESTART.action]
            refusal = next(e for e in scene.store.entries(limit=100) if e.kind == "refusal")
            assert (refusal.content["agent_fence"], refusal.content["call"]["action"]) == (stale, SCALE.action)
            await crew.renew("inc-1")
            await shared.aclose()


async def test_a_holder_that_lost_its_lock_learns_it_when_it_renews() -> None:
    """Two runners of one agent over one Redis: the older one's renewal is refused."""
    with running_redis() as redis_url:
        states = [RedisState(redis_url, SystemClock()) for _ in range(2)]
        old, new = (Crew(state, SystemClock()) for state in states)
        await old.lock("inc-1", "responder@inc-1")
        await new.lock("inc-1", "responder@inc-1")
        with pytest.raises(LeaseLostError):
            await old.renew("inc-1")
        await old.unlock("inc-1")
        await new.renew("inc-1")
        for state in states:
            await state.aclose()


async def stopped(pid: int) -> None:
    """Until the kernel says that the process stands still."""
    async with asyncio.timeout(20):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            await asyncio.sleep(0.01)
