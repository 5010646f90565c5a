"""Rollouts as pages: the list, and one with its stages, its looks against the abort line, and why it ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from domain.errors import NotFoundError
from web.pages import Pages
from web.persons import Caller
from web.ports import Ports
from web.rollout_chart import HEIGHT, WIDTH, drawings

Reason = Annotated[str, Form(min_length=3, max_length=500)]


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Pages only; machines ask /api/rollouts."""
    router = APIRouter(include_in_schema=False)

    @router.get("/rollouts")
    async def index(request: Request) -> HTMLResponse:
        rows = ports.rollouts.all()[:50] if ports.rollouts else []
        return await pages.render(request, "rollouts.html", rows=rows)

    @router.get("/rollouts/{rollout_id}")
    async def one(request: Request, rollout_id: str) -> HTMLResponse:
        if ports.rollouts is None:
            raise NotFoundError("No rollouts are watched here.", hint="`firebreak up` starts an app that does.")
        found = ports.rollouts.get(rollout_id)
        drawn = drawings(found)
        kept = ports.bargains is not None and any(t.contract.id == found.contract.id for t in ports.bargains.all())
        return await pages.render(
            request, "rollout.html", r=found, kept=kept, drawings=drawn, width=WIDTH, height=HEIGHT
        )

    @router.post("/rollouts/{rollout_id}/stop")
    async def stop(rollout_id: str, caller: Caller, reason: Reason) -> RedirectResponse:
        if ports.rollouts is not None:
            await ports.rollouts.stop(rollout_id, caller.name, reason)
        return RedirectResponse(f"/rollouts/{rollout_id}", 303)

    return router
