"""The conversation: a question, and an answer in sentences that carry evidence, streamed piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from domain.errors import FirebreakError
from domain.value import Value
from graph.face import ChatPiece
from web.errors import problem_of, request_id
from web.incidents import show_incident
from web.live import HEARTBEAT_S
from web.pages import Pages
from web.ports import Ports


class Ask(Value):
    """A question, about one incident or about the system."""

    text: str = Field(min_length=1, max_length=4000)
    incident: str | None = None


def grounded(piece: ChatPiece) -> ChatPiece:
    """Evidence or silence, once more at the edge: a sentence that nothing carries is shown as unsupported."""
    if piece.kind == "sentence" and not piece.evidence:
        return piece.model_copy(update={"kind": "unsupported"})
    return piece


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["chat"])

    @router.post("/api/chat", summary="Ask; the answer streams (SSE of ChatPiece)", response_class=Response)
    async def chat(request: Request, ask: Ask) -> EventSourceResponse:
        """Frames are named by `kind`: source, sentence, unsupported, suggestion, done; or `problem` when it breaks off."""
        if ask.incident:
            await ports.responder.incident(ask.incident)
        return EventSourceResponse(_frames(ports, ask, request_id(request)), ping=HEARTBEAT_S)

    @router.post("/incidents/{incident_id}/chat", include_in_schema=False)
    async def page(
        request: Request, incident_id: str, text: Annotated[str, Form(min_length=1, max_length=4000)]
    ) -> HTMLResponse:
        """The same without scripts: the whole page with the answer in it."""
        pieces = [grounded(p) async for p in ports.responder.chat(text, incident_id)]
        html = pages.fragment("parts/answer.html", pieces=pieces)
        return await show_incident(request, incident_id, ports, pages, asked={"text": text, "html": html})

    return router


async def _frames(ports: Ports, ask: Ask, instance: str) -> AsyncIterator[ServerSentEvent]:
    try:
        async for piece in ports.responder.chat(ask.text, ask.incident):
            shown = grounded(piece)
            yield ServerSentEvent(data=shown.model_dump_json(), event=shown.kind)
    except FirebreakError as error:
        problem = problem_of(error, instance)
        broken = ChatPiece(kind="unsupported", text=f"The answer broke off: {problem.detail}")
        yield ServerSentEvent(data=broken.model_dump_json(), event="problem")
        yield ServerSentEvent(data=ChatPiece(kind="done").model_dump_json(), event="done")
