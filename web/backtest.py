"""Past alerts replayed: what would have been said, and one click to say what was true."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from domain.errors import AuthError
from domain.value import Value
from graph.backtest.agreement import Accuracy, Mark, accuracy, mark
from graph.backtest.kept import WORDS, Backtest, FileBacktests, label_of
from web.keyring import Principal
from web.pages import Pages
from web.persons import Caller
from web.ports import Ports


class Truth(Value):
    """What was true: `SERVICE`, `SERVICE/CLASS`, `healthy` or `external`."""

    truth: Annotated[str, Field(pattern=WORDS)]


class Backtests(Value):
    """Every kept result, newest alert first, and the accuracy over the labelled ones."""

    schema_version: str = "1"
    backtests: list[Backtest]
    marks: dict[str, Mark]
    """Id → how it compares, where the truth is known."""
    accuracy: Accuracy


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["backtest"])
    kept = FileBacktests(ports.home / "backtest")

    async def everything() -> Backtests:
        rows = await asyncio.to_thread(kept.all)
        marks = {row.id: mark(row.diagnosis, row.truth) for row in rows if row.truth is not None}
        return Backtests(backtests=rows[::-1], marks=marks, accuracy=accuracy(rows))

    async def labelled(identity: str, words: str, caller: Principal) -> Backtest:
        if caller.roles and caller.roles <= {"viewer"}:
            raise AuthError("A viewer only looks.", expected="a responder, approver or admin", found="viewer")
        label = label_of(words.strip(), by=caller.name, at=ports.clock.now())
        return await asyncio.to_thread(kept.label, identity, label)

    @router.get("/api/backtests", summary="Past alerts: what would have been said, and the accuracy where it is known")
    async def backtests() -> Backtests:
        return await everything()

    @router.post("/api/backtests/{identity}", summary="Say what was true of a past alert")
    async def label(identity: str, body: Truth, caller: Caller) -> Backtest:
        return await labelled(identity, body.truth, caller)

    @router.get("/backtest", include_in_schema=False)
    async def page(request: Request) -> HTMLResponse:
        return await pages.render(request, "backtest.html", found=await everything())

    @router.post("/backtest/{identity}", include_in_schema=False)
    async def submit(identity: str, caller: Caller, truth: Annotated[str, Form()]) -> RedirectResponse:
        await labelled(identity, truth, caller)
        return RedirectResponse(f"/backtest#{identity}", 303)

    return router
