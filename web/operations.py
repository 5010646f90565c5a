"""Operations: findings about the product's own work, what is suggested, and what the council says. Off the main menu."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from domain.findings import Finding
from domain.value import Value
from web.pages import Pages
from web.persons import Caller
from web.ports import Ports


class Findings(Value):
    """Open ones first."""

    schema_version: str = "1"
    findings: list[Finding] = []


class Evidence(Value):
    """What shows that a finding is fixed."""

    evidence: str


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["operations"])
    door = ports.agents
    if door is None:
        return router

    @router.get("/api/findings", summary="Anomalies of the product's own operation, each once")
    async def findings() -> Findings:
        return Findings(findings=list(await door.findings()))

    @router.post("/api/findings/{finding_id}/accept", summary="Take the suggestion on")
    async def accept(finding_id: str, caller: Caller) -> Finding:
        return await door.accept_finding(caller.token, finding_id)

    @router.post("/api/findings/{finding_id}/close", summary="It is fixed, and this shows it")
    async def close(finding_id: str, caller: Caller, body: Evidence) -> Finding:
        return await door.close_finding(caller.token, finding_id, body.evidence)

    @router.get("/operations", include_in_schema=False)
    async def page(request: Request) -> HTMLResponse:
        return await pages.render(request, "operations.html", findings=await door.findings())

    @router.post("/findings/{finding_id}/accept", include_in_schema=False)
    async def accept_form(finding_id: str, caller: Caller) -> RedirectResponse:
        await door.accept_finding(caller.token, finding_id)
        return RedirectResponse("/operations", 303)

    @router.post("/findings/{finding_id}/close", include_in_schema=False)
    async def close_form(
        finding_id: str, caller: Caller, evidence: Annotated[str, Form(max_length=1000)] = ""
    ) -> RedirectResponse:
        await door.close_finding(caller.token, finding_id, evidence)
        return RedirectResponse("/operations", 303)

    return router
