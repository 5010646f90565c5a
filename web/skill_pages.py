"""Skills as pages: the catalogue with its track record, and one skill with prose, procedure, history, runs and proposed edits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from domain.errors import NotFoundError
from skills.text import written
from web.pages import Pages
from web.persons import Caller
from web.ports import Ports
from web.runbooks import rendered
from web.skills import row_of, shown

RUNS_SHOWN = 12
Reason = Annotated[str, Form(max_length=500)]


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Pages only; machines ask /api/skills."""
    router = APIRouter(include_in_schema=False)

    @router.get("/skills")
    async def index(request: Request) -> HTMLResponse:
        bench = ports.skills.bench if ports.skills else None
        rows = [row_of(p, s, bench.store) for p, s in bench.shelf.procedures()] if bench else []
        rows.sort(key=lambda r: (r.stage != "recovery", r.stage, r.name))
        return await pages.render(request, "skills.html", skills=rows)

    @router.get("/skills/{name}")
    async def one(request: Request, name: str) -> HTMLResponse:
        if ports.skills is None:
            raise NotFoundError("No skills are kept here.", hint="`firebreak up` starts an app that does.")
        bench = ports.skills.bench
        found = shown(*bench.shelf.procedure(name), bench.store)
        runs = bench.store.runs(name)[:RUNS_SHOWN]
        return await pages.render(
            request,
            "skill.html",
            s=found,
            prose=rendered(found.prose),
            procedure=written(found.procedure),
            runs=runs,
            edits=[r.edit for r in runs if r.edit is not None and r.edit.base_digest == found.row.digest],
        )

    @router.post("/skills/{name}/promote")
    async def promote(name: str, caller: Caller, reason: Reason = "") -> RedirectResponse:
        if ports.standings is not None:
            await ports.standings.promote(name, reason, person=caller.name, token=caller.token)
        return RedirectResponse(f"/skills/{name}", 303)

    @router.post("/skills/{name}/quarantine")
    async def quarantine(name: str, caller: Caller, reason: Reason) -> RedirectResponse:
        if ports.standings is not None:
            await ports.standings.quarantine(name, reason, person=caller.name, token=caller.token)
        return RedirectResponse(f"/skills/{name}", 303)

    return router
