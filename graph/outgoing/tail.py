"""The ledger's newest entries become events: what the action server did is told by whoever may speak to the world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from domain.clock import Clock
from domain.errors import FirebreakError
from domain.events import Event, Integration, integration_event
from domain.guard import LedgerEntry
from domain.value import new_id

EVERY_S = 1.0
HEARTBEAT_S = 30.0
_PAGE = 200
log = structlog.get_logger(__name__)
Tell = Callable[[Sequence[Event], int | None], Awaitable[None]]
"""(events, last ledger entry they come from): kept and published together; None moves nothing."""


class Entries(Protocol):
    """Reads the ledger."""

    async def ledger(self, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
        """Entries after a sequence number, oldest first."""
        ...


class LedgerTail:
    """Follows the ledger from where it stopped, also after a crash: no entry is skipped, none is told twice."""

    def __init__(self, entries: Entries, tell: Tell, seen: Callable[[], Awaitable[int]], clock: Clock) -> None:
        self._entries = entries
        self._tell = tell
        self._seen = seen
        self._clock = clock
        self._next_beat = 0.0

    async def follow_forever(self) -> None:
        """Until cancelled. An action server that is away is waited for."""
        while True:
            try:
                while await self.look():
                    pass
                await self._beat()
            except FirebreakError as error:
                log.debug("ledger.not_followed", error=error.message)
            except Exception as error:
                log.warning("ledger.not_followed", error=type(error).__name__)
            await self._clock.sleep(EVERY_S)

    async def look(self) -> bool:
        """Tell one page of what is new; True when there may be more."""
        page = await self._entries.ledger(after=await self._seen(), limit=_PAGE)
        if page:
            events = [event for entry in page if (event := integration_event(entry)) is not None]
            await self._tell(events, page[-1].seq)
        return len(page) == _PAGE

    async def _beat(self) -> None:
        if (now := self._clock.monotonic()) >= self._next_beat:
            self._next_beat = now + HEARTBEAT_S
            beat = Event(id=new_id("evt"), type=Integration.HEARTBEAT.type, subject="responder", time=self._clock.now())
            await self._tell([beat], None)


async def stop(*tasks: asyncio.Task[None]) -> None:
    """Cancel and wait."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
