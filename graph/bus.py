"""Events inside this process: published by runs, read by live pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from domain.events import Event

QUEUE = 1000
"""Events a slow reader may lag behind before it loses the oldest."""


class EventBus:
    """Fan-out to whoever listens. Publishing never waits."""

    def __init__(self) -> None:
        self._readers: dict[asyncio.Queue[Event], str | None] = {}

    def publish(self, events: Iterable[Event]) -> None:
        """Hand events to all readers that want their subject."""
        for event in events:
            for queue, subject in self._readers.items():
                if subject in (None, event.subject):
                    if queue.full():
                        queue.get_nowait()
                    queue.put_nowait(event)

    @asynccontextmanager
    async def subscribe(self, subject: str | None = None) -> AsyncIterator[AsyncIterator[Event]]:
        """All events from now on, or those of one subject."""
        queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE)
        self._readers[queue] = subject
        try:
            yield _drain(queue)
        finally:
            del self._readers[queue]


async def _drain(queue: asyncio.Queue[Event]) -> AsyncIterator[Event]:
    while True:
        yield await queue.get()
