"""Trouble of the agent plane, made on purpose: declared under seal at the action server, really done, and over by itself.

What is done here needs no way back that could get lost: a lock and a heartbeat live for a minute, an agent writes its own
state anew at every step, and a revocation that was only injected carries its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta

import structlog

from chaos.errors import InjectionRefusedError
from chaos.responder import Door
from domain.clock import Clock
from domain.crew import at_work
from domain.errors import FirebreakError, NotFoundError
from domain.value import UtcTime, Value, new_id
from governance.attribution import Condition
from governance.state import keys
from governance.state.port import SharedState

AGAIN_S = 0.5
"""How often what an agent writes anew is taken away anew, in real seconds."""
_log = structlog.get_logger("chaos.server")
Deed = Callable[[SharedState, str, str], AbstractAsyncContextManager[None]]
"""(shared state, agent at work, task): done while the block runs."""


class Disturbance(Value):
    """One condition that is being done to one agent on one incident."""

    id: str
    condition: Condition
    agent: str
    task: str
    until: UtcTime


@asynccontextmanager
async def _nothing_more(shared: SharedState, name: str, task: str) -> AsyncGenerator[None]:
    """The action server itself revokes."""
    yield


@asynccontextmanager
async def _lock_lost(shared: SharedState, name: str, task: str) -> AsyncGenerator[None]:
    """Somebody else takes the task's lock, renews it, and gives it back."""
    await shared.forget(keys.active_agent(task))
    lock = await shared.acquire(task, at_work("chaos", task))
    if lock is None:
        raise InjectionRefusedError("the lock was taken in between", expected="a lock to take over", found=task)
    try:
        async with _again(lambda: shared.renew(lock)):
            yield
    finally:
        await shared.release(lock)


@asynccontextmanager
async def _heartbeat_timeout(shared: SharedState, name: str, task: str) -> AsyncGenerator[None]:
    """Every heartbeat is lost on its way."""
    async with _again(lambda: shared.forget(keys.heartbeat(name))):
        yield


@asynccontextmanager
async def _state_corrupted(shared: SharedState, name: str, task: str) -> AsyncGenerator[None]:
    """What the agent says about where it stands is overwritten with something else."""
    async with _again(lambda: shared.put(keys.state(name), {"corrupted": True})):
        yield


DEEDS: dict[Condition, Deed] = {
    Condition.TOKEN_REVOKED: _nothing_more,
    Condition.LOCK_LOST: _lock_lost,
    Condition.HEARTBEAT_TIMEOUT: _heartbeat_timeout,
    Condition.STATE_CORRUPTED: _state_corrupted,
}
"""What this server can do. An error spike and a network delay lie between processes that it does not stand between."""


class Disturber:
    """Does it in the background. Needs the store that the agents share."""

    def __init__(self, door: Door, shared: SharedState, clock: Clock) -> None:
        self._door = door
        self._shared = shared
        self._clock = clock
        self._running: dict[str, tuple[Disturbance, asyncio.Task[None]]] = {}

    async def disturb(self, condition: Condition, agent: str, task: str, seconds: float) -> Disturbance:
        """Begin. Raises InjectionRefusedError for what is not done here or while the door is frozen."""
        deed = DEEDS.get(condition)
        if deed is None:
            raise InjectionRefusedError(
                f"{condition.value} is not done by this server",
                expected=", ".join(DEEDS),
                found=condition.value,
                hint="it lies between processes: put a proxy there, and declare it at the action server",
                code="chaos.unknown_fault",
            )
        if await self._door.frozen():
            raise InjectionRefusedError("the governed door is frozen", hint="`firebreak resume` opens it")
        until = self._clock.now() + timedelta(seconds=seconds)
        found = Disturbance(id=new_id("dst"), condition=condition, agent=agent, task=task, until=until)
        began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(self._do(found, deed, seconds, began), name=found.id)
        self._running[found.id] = found, running
        running.add_done_callback(lambda _: self._running.pop(found.id, None))
        await asyncio.wait({began, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done() and not began.done():
            await running
        return found

    def active(self) -> list[Disturbance]:
        """What is being done now."""
        return [found for found, _ in self._running.values()]

    async def stop(self, disturbance_id: str) -> Disturbance:
        """End it now. Raises NotFoundError."""
        known = self._running.get(disturbance_id)
        if known is None:
            raise NotFoundError(
                "this disturbance is over, or never was", expected="the id of one", found=disturbance_id[:60]
            )
        await self._ended(known[1])
        return known[0]

    async def close(self) -> None:
        """End all."""
        for _, running in list(self._running.values()):
            await self._ended(running)

    async def _do(self, found: Disturbance, deed: Deed, seconds: float, began: asyncio.Future[None]) -> None:
        """Declared first: what it brings about must never look like the agent's own doing."""
        sealed = await self._door.declare(found.condition, found.agent, seconds)
        try:
            async with deed(self._shared, at_work(found.agent, found.task), found.task):
                began.set_result(None)
                await asyncio.sleep(seconds)
        finally:
            with suppress(FirebreakError):
                await self._door.lift(sealed)

    async def _ended(self, running: asyncio.Task[None]) -> None:
        running.cancel()
        await asyncio.wait({running})


@asynccontextmanager
async def _again(deed: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Once now, and again and again until the block ends. A store that is away is tried again."""

    async def forever() -> None:
        while True:
            await asyncio.sleep(AGAIN_S)
            try:
                await deed()
            except FirebreakError as error:
                _log.warning("disturbance.interrupted", error=error.message)

    await deed()
    keeper = asyncio.create_task(forever())
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.wait({keeper})
