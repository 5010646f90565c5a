"""Deployment contracts as pages: what is on the table, and one contract as a card that can be signed."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from contracts.moves import Move
from contracts.offers import AT_ONCE
from domain.contract import OfferKind
from domain.errors import ConfigError
from web.bargains import bargains_of, row_of
from web.pages import Pages
from web.persons import Caller
from web.ports import Ports


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Pages only; machines ask /api/contracts."""
    router = APIRouter(include_in_schema=False)

    @router.get("/contracts")
    async def index(request: Request) -> HTMLResponse:
        rows = [row_of(t) for t in ports.bargains.all()[:200]] if ports.bargains else []
        return await pages.render(request, "contracts.html", contracts=rows)

    @router.get("/contracts/{contract_id}")
    async def one(request: Request, contract_id: str) -> HTMLResponse:
        table = bargains_of(ports).get(contract_id)
        return await pages.render(
            request,
            "contract.html",
            t=table,
            c=table.contract,
            digest=table.contract.terms_digest(),
            offers=[kind.value for kind in OfferKind],
            at_once=sorted(kind.value for kind in AT_ONCE),
        )

    @router.post("/contracts/{contract_id}")
    async def move(
        contract_id: str,
        caller: Caller,
        kind: Annotated[Literal["offer", "say", "sign", "reject"], Form()],
        digest: Annotated[str, Form(max_length=64)] = "",
        offer: Annotated[str, Form(max_length=40)] = "",
        text: Annotated[str, Form(max_length=2000)] = "",
    ) -> RedirectResponse:
        if kind in ("say", "reject") and not text.strip():
            raise ConfigError("Say why.", expected="a few words", found="nothing", code="request.invalid")
        given = OfferKind(offer) if kind == "offer" and offer in set(OfferKind) else None
        if kind == "offer" and given is None:
            raise ConfigError(
                "There is no such offer.", expected=", ".join(OfferKind), found=offer, code="request.invalid"
            )
        chosen = Move(kind=kind, digest=digest or "none", offer=given, text=text)
        await bargains_of(ports).move(contract_id, chosen, person=caller.name, token=caller.token)
        return RedirectResponse(f"/contracts/{contract_id}", 303)

    return router
