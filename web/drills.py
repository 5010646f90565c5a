"""Drills: forwarded to the chaos server. What is broken stays sealed until the drill itself opens it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from domain.drills import DrillResult, DrillRun
from domain.errors import FirebreakError, NotFoundError
from domain.value import Value
from web.login import landing
from web.pages import Pages
from web.persons import Caller
from web.ports import DrillRoom, Fault, Ports


class StartDrill(Value):
    """Which fault to inject; none means a random one, unknown to everybody until it is scored."""

    fault: str | None = None
    seed: int | None = None


class Started(Value):
    """The drill has begun."""

    schema_version: str = "1"
    id: str


class FaultRow(Value):
    """One thing that can be broken on purpose."""

    name: str
    title: str
    service: str
    abstain: bool
    """True: nothing will be broken and nothing should be mended."""

    @classmethod
    def of(cls, fault: Fault) -> FaultRow:
        """What may be shown of it."""
        return cls(name=fault.name, title=fault.title, service=fault.service, abstain=fault.abstain)


class DrillList(Value):
    """Newest first, with what may be broken here."""

    schema_version: str = "1"
    drills: list[DrillRun] = []
    faults: list[FaultRow] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The finished drills in numbers."""

    runs: int
    detected: int
    diagnosed: int
    broken: int
    """Drills in which something was really broken."""
    mended: int
    """Of those: mitigated and durable by the oracle."""
    abstain: int
    abstained: int
    harmful: int
    median_s: float | None
    """Median seconds to mitigation."""


def score(results: Sequence[DrillResult]) -> Score:
    """Count what the oracle said; nothing is counted twice and nothing is assumed."""
    broken = [r for r in results if r.abstained is None]
    times = [r.mitigation_s for r in broken if r.mitigated and r.mitigation_s is not None]
    return Score(
        runs=len(results),
        detected=sum(r.detected for r in results),
        diagnosed=sum(r.diagnosed for r in results),
        broken=len(broken),
        mended=sum(r.mitigated and r.durable for r in broken),
        abstain=len(results) - len(broken),
        abstained=sum(r.abstained is True for r in results),
        harmful=sum(len(r.harmful_actions) for r in results),
        median_s=statistics.median(times) if times else None,
    )


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["drills"])
    _api(router, ports)
    _pages(router, ports, pages)
    return router


def room_of(ports: Ports) -> DrillRoom:
    """Where drills are held. Raises NotFoundError where there are none."""
    if ports.drills is None:
        raise NotFoundError(
            "There are no drills here: this installation looks after someone's own systems.",
            hint="`firebreak up` starts a local stack that may be broken.",
        )
    return ports.drills


def _api(router: APIRouter, ports: Ports) -> None:
    """The machines' half."""

    @router.get("/api/drills", summary="Drills, newest first, and the faults there are")
    async def drills() -> DrillList:
        return DrillList(
            drills=await room_of(ports).runs(), faults=[FaultRow.of(f) for f in await room_of(ports).faults()]
        )

    @router.post("/api/drills", status_code=202, summary="Start a drill")
    async def start(caller: Caller, wish: StartDrill | None = None) -> Started:
        chosen = wish or StartDrill()
        return Started(id=await room_of(ports).start(chosen.fault, seed=chosen.seed))

    @router.get("/api/drills/{drill_id}", summary="One drill with its progress and result")
    async def drill(drill_id: str) -> DrillRun:
        return await room_of(ports).get(drill_id)


def _pages(router: APIRouter, ports: Ports, pages: Pages) -> None:
    """The people's half."""

    @router.get("/drills", include_in_schema=False)
    async def page(request: Request) -> HTMLResponse:
        runs: list[DrillRun] = []
        faults: Sequence[Fault] | None = None
        trouble = ""
        try:
            runs, faults = await room_of(ports).runs(), await room_of(ports).faults()
        except NotFoundError:
            raise
        except FirebreakError as error:
            trouble = " ".join(error.lines())
        ended = [d for d in runs if d.state.terminal]
        return await pages.render(
            request,
            "drills.html",
            runs=runs,
            ended=ended[:100],
            running=any(not d.state.terminal for d in runs),
            faults=faults,
            trouble=trouble,
            score=score([d.result for d in ended if d.result]),
        )

    @router.post("/drills", include_in_schema=False)
    async def submit(caller: Caller, fault: Annotated[str, Form(max_length=60)] = "") -> RedirectResponse:
        await room_of(ports).start(fault or None)
        return RedirectResponse(landing("/drills"), 303)

    @router.get("/drills/{drill_id}", include_in_schema=False)
    async def one(request: Request, drill_id: str) -> HTMLResponse:
        return await pages.render(request, "drill.html", d=await room_of(ports).get(drill_id))
