"""Service levels: what the objectives say now, how fast their budgets burn, and how it went lately."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from domain.value import Value
from web.pages import Pages
from web.ports import Ports, SliRow


class Slis(Value):
    """One row per objective of the inventory."""

    schema_version: str = "1"
    slis: list[SliRow] = []


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["slis"])

    async def rows() -> list[SliRow]:
        return list(await ports.slis.slis()) if ports.slis else []

    @router.get("/api/slis", summary="Service levels with burn rates")
    async def slis() -> Slis:
        return Slis(slis=await rows())

    @router.get("/slis", include_in_schema=False)
    async def page(request: Request) -> HTMLResponse:
        found = await rows()
        windows = list(dict.fromkeys(w for row in found for w in row.burn))
        return await pages.render(request, "slis.html", rows=found, windows=windows)

    return router
