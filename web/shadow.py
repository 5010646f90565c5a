"""Shadow mode for people: what would have been done, what was done instead, and one click to say how they compare."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from domain.errors import FirebreakError, NotFoundError
from domain.incident import Incident
from domain.value import Value
from governance.shadow import Agreement, Shadowed
from graph.shadow import ShadowReport, compare, report
from web.pages import Pages
from web.persons import Caller
from web.ports import Ports

_UNITS = {"m": 60, "h": 3600, "d": 86400}
SINCE = r"^[0-9]{1,5}[mhd]$"


class Label(Value):
    """How a proposal compares."""

    label: Agreement


def since_of(words: str, now: datetime) -> datetime:
    """`30d`, `12h`, `45m` before now. Raises FirebreakError (request.invalid)."""
    if not re.fullmatch(SINCE, words):
        raise FirebreakError(
            "How far back?", expected="a number and m, h or d, such as 30d", found=words[:40], code="request.invalid"
        )
    return now - timedelta(seconds=int(words[:-1]) * _UNITS[words[-1]])


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["shadow"])

    async def compared(since: str) -> ShadowReport:
        now = ports.clock.now()
        start = since_of(since, now)
        proposals = await ports.door.shadowed(start)
        changes = await ports.responder.changes(start, now)
        return report([compare(p, changes, await _incident(ports, p.change)) for p in proposals], start)

    @router.get("/api/shadow", summary="Proposals of shadow mode against what people did")
    async def shadow(since: Annotated[str, Query(pattern=SINCE, max_length=12)] = "30d") -> ShadowReport:
        """`since`: 30d, 12h, 45m."""
        return await compared(since)

    @router.post("/api/shadow/{proposal}", summary="Say how a proposal compares with what happened")
    async def label(proposal: str, body: Label, caller: Caller) -> Shadowed:
        return await ports.door.label_shadow(caller.token, proposal, body.label)

    @router.get("/shadow", include_in_schema=False)
    async def page(request: Request, since: str = "30d") -> HTMLResponse:
        return await pages.render(request, "shadow.html", report=await compared(since), choices=list(Agreement))

    @router.post("/shadow/{proposal}", include_in_schema=False)
    async def submit(proposal: str, caller: Caller, label: Annotated[Agreement, Form()]) -> RedirectResponse:
        await ports.door.label_shadow(caller.token, proposal, label)
        return RedirectResponse("/shadow", 303)

    return router


async def _incident(ports: Ports, change: str) -> Incident | None:
    try:
        return await ports.responder.incident(change)
    except NotFoundError:
        return None
