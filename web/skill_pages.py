"""Skills as pages: the catalogue with its track record, and one skill with prose, procedure, history, runs and proposed edits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from domain.errors import NotFoundError
from skills.listing import SkillRow, listed, shown
from skills.report import Edit, Report
from skills.schema import Stage
from skills.store import Trust
from skills.text import written
from web.pages import Pages
from web.persons import Caller
from web.ports import Ports
from web.runbooks import rendered

PAGE_SIZE = 25
RUNS_SHOWN = 12
Number = Annotated[int, Query(ge=1, le=10_000)]
Reason = Annotated[str, Form(max_length=500)]


def matches(row: SkillRow, stage: str, trust: str, words: str) -> bool:
    """Whether a row is wanted; empty is anything."""
    found = f"{row.name} {row.intent} {' '.join(row.fault_classes)}".lower()
    return stage in ("", row.stage) and trust in ("", row.trust) and words.lower().strip() in found


def proposals(runs: Iterable[Report], digest: str) -> list[Edit]:
    """Edits of the version at hand, each once, with all the runs that ask for it."""
    found: dict[str, Edit] = {}
    for edit in (r.edit for r in runs if r.edit is not None and r.edit.base_digest == digest):
        known = found.get(edit.diff)
        names = [*known.runs, *edit.runs] if known else edit.runs
        found[edit.diff] = edit.model_copy(update={"runs": list(dict.fromkeys(names))})
    return list(found.values())


def following(page: int, **chosen: str) -> str:
    """The address of the next page of the catalogue, with what was chosen."""
    return f"/skills?{urlencode({**{name: value for name, value in chosen.items() if value}, 'page': page + 1})}"


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Pages only; machines ask /api/skills."""
    router = APIRouter(include_in_schema=False)

    @router.get("/skills")
    async def index(
        request: Request,
        stage: str = "",
        trust: str = "",
        q: Annotated[str, Query(max_length=200)] = "",
        page: Number = 1,
    ) -> HTMLResponse:
        bench = ports.skills.bench if ports.skills else None
        known = listed(bench.shelf, bench.store) if bench else []
        rows = sorted(
            (row for row in known if matches(row, stage, trust, q)),
            key=lambda r: (r.stage != "recovery", r.stage, r.name),
        )
        return await pages.render(
            request,
            "skills.html",
            skills=rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE],
            next=following(page, stage=stage, trust=trust, q=q) if len(rows) > page * PAGE_SIZE else "",
            filtered=bool(stage or trust or q or page > 1),
            unreadable=bench.shelf.unreadable() if bench else [],
            stages=[each.value for each in Stage],
            trusts=[each.value for each in Trust],
            stage=stage,
            trust=trust,
            q=q,
        )

    @router.get("/skills/{name}")
    async def one(request: Request, name: str, page: Number = 1) -> HTMLResponse:
        if ports.skills is None:
            raise NotFoundError("No skills are kept here.", hint="`firebreak up` starts an app that does.")
        bench = ports.skills.bench
        found = shown(*bench.shelf.procedure(name), bench.store)
        runs = bench.store.runs(name)
        return await pages.render(
            request,
            "skill.html",
            s=found,
            prose=rendered(found.prose),
            procedure=written(found.procedure),
            runs=runs[(page - 1) * RUNS_SHOWN : page * RUNS_SHOWN],
            ever_run=bool(runs),
            older=page + 1 if len(runs) > page * RUNS_SHOWN else 0,
            edits=proposals(runs, found.row.digest),
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
