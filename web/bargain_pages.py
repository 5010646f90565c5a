"""Deployment contracts as pages: what is on the table, and one contract as a card that can be signed."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from contracts.moves import Move
from contracts.offers import AT_ONCE
from domain.contract import ContractStatus, OfferKind
from domain.errors import ConfigError
from domain.risk import RiskLevel
from graph.contracts.trials import AS_IT_IS
from web.bargains import ContractRow, bargains_of, row_of, trials_of
from web.pages import Pages
from web.persons import Caller
from web.ports import Ports

PAGE_SIZE = 25
CHOICES: dict[str, Any] = {
    "offers": [kind.value for kind in OfferKind],
    "at_once": sorted(kind.value for kind in AT_ONCE),
}
"""What the card of a contract lets one offer."""


def matches(row: ContractRow, status: str, level: str, words: str) -> bool:
    """Whether a row is wanted; `open` is everything that is not settled, and empty is anything."""
    right = not status or row.status == status or (status == "open" and not ContractStatus(row.status).terminal)
    found = f"{row.id} {row.service} {row.version} {row.deployment}".lower()
    return right and level in ("", row.level) and words.lower().strip() in found


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Pages only; machines ask /api/contracts."""
    router = APIRouter(include_in_schema=False)
    _index(router, ports, pages)
    _one(router, ports, pages)
    return router


def _index(router: APIRouter, ports: Ports, pages: Pages) -> None:
    """All of them, filtered and page by page."""

    @router.get("/contracts")
    async def index(
        request: Request,
        status: str = "",
        level: str = "",
        q: Annotated[str, Query(max_length=200)] = "",
        page: Annotated[int, Query(ge=1, le=10_000)] = 1,
    ) -> HTMLResponse:
        tables = ports.bargains.all() if ports.bargains else []
        rows = [row for t in tables if matches(row := row_of(t), status, level, q)]
        more = {"status": status, "level": level, "q": q, "page": str(page + 1)}
        following = urlencode({name: value for name, value in more.items() if value})
        return await pages.render(
            request,
            "contracts.html",
            contracts=rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE],
            next=f"/contracts?{following}" if len(rows) > page * PAGE_SIZE else "",
            filtered=bool(status or level or q),
            under_way=[r for r in ports.rollouts.all() if not r.status.ended] if ports.rollouts else [],
            trouble=ports.pulls.trouble if ports.pulls else "",
            statuses=[s.value for s in ContractStatus],
            levels=[found.value for found in RiskLevel],
            status_wanted=status,
            level=level,
            q=q,
        )


def _one(router: APIRouter, ports: Ports, pages: Pages) -> None:
    """One contract, and what a person may do at its table."""

    @router.get("/contracts/{contract_id}")
    async def one(request: Request, contract_id: str) -> HTMLResponse:
        table = bargains_of(ports).get(contract_id)
        carried = [r for r in ports.rollouts.all() if r.contract.id == contract_id] if ports.rollouts else []
        tried = [trial for trial in ports.trials.all() if trial.contract == contract_id][:5] if ports.trials else []
        facts: dict[str, Any] = {"t": table, "c": table.contract, "rollouts": carried, "trials": tried}
        return await pages.render(request, "contract.html", **facts, **CHOICES)

    @router.post("/contracts/{contract_id}")
    async def move(
        contract_id: str,
        caller: Caller,
        kind: Annotated[Literal["offer", "say", "sign", "reject", "rehearse"], Form()],
        digest: Annotated[str, Form(max_length=64)] = "",
        offer: Annotated[str, Form(max_length=40)] = "",
        text: Annotated[str, Form(max_length=2000)] = "",
    ) -> RedirectResponse:
        if kind == "rehearse":
            await trials_of(ports).submit(contract_id, AS_IT_IS, caller.name)
            return RedirectResponse(f"/contracts/{contract_id}", 303)
        chosen = as_move(kind, digest, offer, text)
        await bargains_of(ports).move(contract_id, chosen, person=caller.name, token=caller.token)
        return RedirectResponse(f"/contracts/{contract_id}", 303)


def as_move(kind: Literal["offer", "say", "sign", "reject"], digest: str, offer: str, text: str) -> Move:
    """What was chosen on the card. Raises ConfigError (request.invalid) for an unknown offer, or words that are missing."""
    if kind in ("say", "reject") and not text.strip():
        raise ConfigError("Say why.", expected="a few words", found="nothing", code="request.invalid")
    given = OfferKind(offer) if kind == "offer" and offer in set(OfferKind) else None
    if kind == "offer" and given is None:
        raise ConfigError("There is no such offer.", expected=", ".join(OfferKind), found=offer, code="request.invalid")
    return Move(kind=kind, digest=digest or "none", offer=given, text=text)
