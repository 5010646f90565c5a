"""A runner in a process of its own: takes the task's lock, judges a plan, stops itself, and acts when it is woken.

`python -m tests.fakes.sleeper REDIS_URL ACTION_URL TOKEN` prints one JSON line per step.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

from domain.clock import SystemClock
from governance.guard.client import HttpGuard
from governance.state.crew import Crew
from governance.state.redis import RedisState
from tests.fakes.guard import RESTART, SCALE, actor, plan


def tell(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def main(redis_url: str, action_url: str, token: str) -> None:
    clock = SystemClock()
    shared = RedisState(redis_url, clock)
    crew = Crew(shared, clock)
    assert await crew.lock("inc-1", "responder@inc-1") is not None
    me = actor().model_copy(update={"fence": crew.fence("inc-1")})
    async with HttpGuard(action_url, token) as guard:
        await guard.judge(plan(RESTART, SCALE), me)
        tell(token=me.fence)
        os.kill(os.getpid(), signal.SIGSTOP)
        receipt = await guard.apply("plan-1", "s2", me)
        tell(verdict=receipt.verdict.value, summary=receipt.summary)
    await shared.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
