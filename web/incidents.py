"""Incidents for people and machines: list, record, live events, plots, and the three things a person may do to a run."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sse_starlette import EventSourceResponse

from domain.errors import FirebreakError
from domain.guard import Approval
from domain.incident import Incident, IncidentRow, IncidentStatus
from domain.severity import Severity
from domain.value import Value
from graph.face import Page
from web import series
from web.incident_view import IncidentView, brief_sections, view
from web.live import api_frame, page_frame, stream
from web.metrics import Metrics
from web.pages import Frame, Pages
from web.persons import Caller
from web.ports import Ports

PAGE_SIZE = 25
_SCAN = 200
"""Incidents looked through when the inbox is filtered by words or severity."""
PARTS = ("header", "approvals", "brief", "hypotheses", "plan", "verification", "evidence", "outputs", "timeline")
"""The live parts of an incident's page; each is a template of that name."""


class Why(Value):
    """A person's reason, kept with the deed."""

    reason: str = ""


def build(ports: Ports, metrics: Metrics) -> APIRouter:
    """The machines' half."""
    router = APIRouter(prefix="/api", tags=["incidents"])
    _records(router, ports)
    _events(router, ports, metrics)
    _deeds(router, ports)
    return router


def _records(router: APIRouter, ports: Ports) -> None:
    """What is known of them."""
    responder = ports.responder

    @router.get("/incidents", summary="Incidents, newest first")
    async def incidents(
        status: IncidentStatus | Literal[""] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> Page:
        """`status` is one status, `open` for everything not closed, empty for all; `next` is the cursor of the following page."""
        return await responder.incidents(status=status or None, limit=limit, cursor=cursor)

    @router.get("/incidents/{incident_id}", summary="The whole record of one incident")
    async def incident(incident_id: str) -> Incident:
        return await responder.incident(incident_id)

    @router.get("/incidents/{incident_id}/series", summary="The series that tell its story, around onset and fix")
    async def plots(incident_id: str) -> series.Plots:
        return await _plots(ports, await responder.incident(incident_id))

    @router.get("/incidents/{incident_id}/outputs/{sha256}", summary="One output of its run, as it was stored")
    async def output(
        incident_id: str, sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Full SHA-256, in hex.")]
    ) -> dict[str, Any]:
        """Canonical JSON; its SHA-256 is its name. Type GAMMA and kind `handoff`: what is known, for who takes over."""
        return await responder.output(incident_id, sha256)


def _events(router: APIRouter, ports: Ports, metrics: Metrics) -> None:
    """What happens to them, as it happens."""
    responder = ports.responder

    @router.get("/incidents/{incident_id}/events", summary="Its events as they happen (SSE)", response_class=Response)
    async def events(incident_id: str) -> EventSourceResponse:
        await responder.incident(incident_id)
        return stream(responder, incident_id, api_frame, metrics)

    @router.get("/events", summary="All events as they happen (SSE)", response_class=Response)
    async def all_events() -> EventSourceResponse:
        return stream(responder, None, api_frame, metrics)


def _deeds(router: APIRouter, ports: Ports) -> None:
    """What a person may do to a run."""
    responder = ports.responder

    @router.post("/incidents/{incident_id}/stop", summary="No further step; hand over what is known")
    async def stop(incident_id: str, caller: Caller, why: Why | None = None) -> Incident:
        return await responder.stop(incident_id, caller.name, (why or Why()).reason)

    @router.post("/incidents/{incident_id}/take", summary="A person works on it now; the agents stand back")
    async def take(incident_id: str, caller: Caller, why: Why | None = None) -> Incident:
        return await responder.take(incident_id, caller.name, (why or Why()).reason, person_token=caller.token)

    @router.post("/incidents/{incident_id}/give-back", summary="The agents look afresh, in a new run that refers to it")
    async def give_back(incident_id: str, caller: Caller, why: Why | None = None) -> Incident:
        return await responder.give_back(incident_id, caller.name, (why or Why()).reason, person_token=caller.token)

    @router.post("/incidents/{incident_id}/reopen", summary="A new run that refers to the closed one")
    async def reopen(incident_id: str, caller: Caller, why: Why | None = None) -> Incident:
        return await responder.reopen(incident_id, caller.name, (why or Why()).reason)


def build_pages(ports: Ports, pages: Pages, metrics: Metrics) -> APIRouter:
    """The people's half."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _inbox(router, ports, pages, metrics)
    _one(router, ports, pages, metrics)
    return router


def _inbox(router: APIRouter, ports: Ports, pages: Pages, metrics: Metrics) -> None:
    """All of them, filtered and page by page."""
    responder = ports.responder

    @router.get("/")
    async def inbox(
        request: Request, status: str = "", severity: str = "", q: str = "", cursor: str | None = None
    ) -> HTMLResponse:
        filtered = bool(severity or q)
        size = _SCAN if filtered else PAGE_SIZE
        page = await responder.incidents(status=status or None, limit=size, cursor=cursor)
        rows = [r for r in page.incidents if matches(r, severity, q)]
        chosen = {"status": status, "severity": severity, "q": q}
        following = urlencode({k: v for k, v in {**chosen, "cursor": page.next}.items() if v})
        here = urlencode({k: v for k, v in {**chosen, "cursor": cursor}.items() if v})
        return await pages.render(
            request,
            "inbox.html",
            rows=rows,
            next=f"/?{following}" if page.next else "",
            here=f"/?{here}" if here else "/",
            filtered=filtered or bool(status),
            looked_at=len(page.incidents),
            severities=[s.value for s in Severity],
            status_wanted=status,
            severity=severity,
            q=q,
        )

    @router.get("/stream")
    async def inbox_stream() -> EventSourceResponse:
        return stream(responder, None, page_frame, metrics)


def _one(router: APIRouter, ports: Ports, pages: Pages, metrics: Metrics) -> None:
    """One incident, live, and what a person may do to it."""
    responder = ports.responder

    @router.get("/incidents/{incident_id}")
    async def page(request: Request, incident_id: str) -> HTMLResponse:
        return await show_incident(request, incident_id, ports, pages)

    @router.get("/incidents/{incident_id}/stream")
    async def page_stream(incident_id: str) -> EventSourceResponse:
        await responder.incident(incident_id)
        return stream(responder, incident_id, page_frame, metrics)

    @router.get("/incidents/{incident_id}/parts")
    async def parts(
        request: Request, incident_id: str, have: Annotated[list[str] | None, Query()] = None
    ) -> HTMLResponse:
        seen = await look(incident_id, ports)
        rendered = render_parts(pages, seen, await pages.frame(request), have=have or [], oob=True)
        return HTMLResponse("\n".join(rendered.values()))

    @router.post("/incidents/{incident_id}/{deed}")
    async def act(incident_id: str, deed: str, caller: Caller) -> Response:
        deeds: dict[str, Callable[[str, str], Awaitable[Incident]]] = {
            "stop": responder.stop,
            "take": partial(responder.take, person_token=caller.token),
            "give-back": partial(responder.give_back, person_token=caller.token),
            "reopen": responder.reopen,
        }
        if deed not in deeds:
            raise _no_deed(deed)
        incident = await deeds[deed](incident_id, caller.name)
        return RedirectResponse(f"/incidents/{incident.id}", 303)


def _no_deed(deed: str) -> FirebreakError:
    return FirebreakError(
        "That cannot be done to an incident.",
        expected="stop, take, give-back or reopen",
        found=deed[:40],
        code="request.invalid",
    )


def matches(row: IncidentRow, severity: str, words: str) -> bool:
    """Whether a row of the inbox passes its filters."""
    text = f"{row.id} {row.title} {row.service} {row.fault_class or ''}".lower()
    return (not severity or row.severity == severity) and all(w in text for w in words.lower().split())


async def look(incident_id: str, ports: Ports) -> IncidentView:
    """The incident arranged for its page. Without the action server it is shown without its approvals."""
    incident = await ports.responder.incident(incident_id)
    approvals: Sequence[Approval] = []
    if incident.approvals or incident.status is IncidentStatus.WAITING:
        try:
            approvals = await ports.responder.approvals(incident=incident_id)
        except FirebreakError:
            approvals = []
    return view(incident, approvals, ports.clock.now())


async def show_incident(
    request: Request, incident_id: str, ports: Ports, pages: Pages, asked: dict[str, Any] | None = None
) -> HTMLResponse:
    """The incident's page, with one question and its answer where a browser without scripts asked it."""
    seen = await look(incident_id, ports)
    frame = await pages.frame(request)
    rendered = render_parts(pages, seen, frame)
    return await pages.render(request, "incident.html", frame=frame, v=seen, parts=rendered, asked=asked)


def render_parts(
    pages: Pages, seen: IncidentView, frame: Frame, *, have: Sequence[str] = (), oob: bool = False
) -> dict[str, str]:
    """Each live part with a mark of its content; parts whose mark the browser already has are left out."""
    out: dict[str, str] = {}
    for name in PARTS:
        html = pages.fragment(f"parts/{name}.html", v=seen, frame=frame, sections=brief_sections(seen.incident))
        mark = hashlib.sha256(html.encode()).hexdigest()[:12]
        if f"{name}.{mark}" not in have:
            out[name] = pages.fragment("parts/frame.html", name=name, mark=mark, html=html, oob=oob)
    return out


async def _plots(ports: Ports, incident: Incident) -> series.Plots:
    when = series.span(incident, ports.clock.now().timestamp())
    if ports.telemetry is None:
        return series.Plots(onset=when.onset, fixed=when.fixed)
    found = await ports.telemetry.series((when.start, when.end), services=series.services(incident))
    return series.Plots(onset=when.onset, fixed=when.fixed, series=series.tell(found, when))
