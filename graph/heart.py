"""What keeps an agent alive while its run advances: the task's lock, renewed, and a heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from domain.crew import at_work
from domain.errors import FirebreakError, LeaseLostError
from governance.state import keys
from governance.state.crew import Crew

log = structlog.get_logger(__name__)


class Heart:
    """Beats for the agents of this process. In real seconds: an agent whose process stands still is silent."""

    def __init__(self, crew: Crew, agent: str) -> None:
        self._crew = crew
        self._agent = agent

    @asynccontextmanager
    async def beating(self, task: str, lost: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """Hold the task's lock and beat. Raises LeaseLostError while another agent works on it.

        `lost` is called when the lock goes to somebody else: whoever works without one stops at the next chance.
        """
        agent = at_work(self._agent, task)
        if await self._crew.lock(task, agent) is None:
            raise LeaseLostError(f"another agent works on {task}", hint="it goes on there", code="state.lock_held")
        keeper = asyncio.create_task(self._beat(task, agent, lost), name=f"heart {agent}")
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])
            with suppress(FirebreakError):
                await self._crew.unlock(task)
                await self._crew.rest(agent)

    async def _beat(self, task: str, agent: str, lost: Callable[[], None]) -> None:
        """Until the run stops advancing or a newer runner took over. A silent store is tried again at the next beat."""
        while True:
            try:
                await self._crew.renew(task)
                await self._crew.beat(agent)
            except LeaseLostError as error:
                log.warning("agent.lock_lost", agent=agent, expected=error.expected, found=error.found)
                lost()
                return
            except FirebreakError as error:
                log.warning("agent.silent", agent=agent, error=error.message)
            await asyncio.sleep(keys.BEAT_EVERY_S)
