"""Live streams: events as server-sent events, with a heartbeat, ended with the server and not before it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from sse_starlette import EventSourceResponse, ServerSentEvent

from domain.events import INTEGRATIONS, Event
from graph.face import Responder
from web.metrics import Metrics

HEARTBEAT_S = 15
"""Seconds between comments that keep proxies from closing a quiet stream."""

Frame = Callable[[Event], ServerSentEvent]


def api_frame(event: Event) -> ServerSentEvent:
    """The event itself, named by its type."""
    return ServerSentEvent(data=event.model_dump_json(), event=event.type, id=event.id)


def page_frame(event: Event) -> ServerSentEvent:
    """A hint to a page that something changed, in words for the live region."""
    text = str(event.data.get("text", "")) or " ".join(event.type.split(".")[-2:]).replace("_", " ")
    return ServerSentEvent(data=" ".join(text.split())[:180], event="refresh", id=event.id)


def stream(responder: Responder, incident: str | None, frame: Frame, metrics: Metrics) -> EventSourceResponse:
    """All events from now on, or one incident's. The first frame says that the stream is open.

    Pages are not woken for what the ledger says to other systems: the incident itself tells it.
    """

    async def frames() -> AsyncIterator[ServerSentEvent]:
        with metrics.streaming():
            async with responder.subscribe(incident) as events:
                yield ServerSentEvent(comment="open")
                with contextlib.suppress(asyncio.CancelledError):
                    async for event in events:
                        if frame is api_frame or event.type not in INTEGRATIONS:
                            yield frame(event)

    return EventSourceResponse(frames(), ping=HEARTBEAT_S)
