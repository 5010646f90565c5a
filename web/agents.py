"""Agents: who sits where, on what record, and what is held against them. A person's deeds go with the person's own token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from domain.action import Tier
from domain.agents import AgentDetail, AgentRow, ChargeRow, Move, RevocationReport, Turn
from domain.errors import FirebreakError
from domain.value import Value
from web.login import local_path
from web.pages import Pages
from web.persons import Caller
from web.ports import AgentsDoor, Ports


class Agents(Value):
    """By name."""

    schema_version: str = "1"
    agents: list[AgentRow] = []


class History(Value):
    """Newest first."""

    schema_version: str = "1"
    agent: str
    turns: list[Turn] = []


class MoveBody(Value):
    """A tier and a reason, for the ledger."""

    to: Tier | None = None
    reason: str = ""
    waive: bool = False


class PlanReview(Value):
    """Which plan, and whether it was right."""

    plan: str
    right: bool


class Why(Value):
    """A reason, for the ledger."""

    reason: str = ""


Reason = Annotated[str, Form(max_length=500)]
Back = Annotated[str, Form()]


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["agents"])
    if ports.agents is not None:
        _records(router, ports.agents)
        _moves(router, ports.agents)
        _pages(router, ports.agents, pages)
        _forms(router, ports.agents)
    return router


def _records(router: APIRouter, door: AgentsDoor) -> None:
    """What is known of an agent's trust, for machines."""

    @router.get("/api/agents", summary="Every agent with its seat, budgets and charges")
    async def agents() -> Agents:
        return Agents(agents=await door.all())

    @router.get("/api/agents/{agent}", summary="One agent: record, criteria of the next tier, violations, history")
    async def agent(agent: str) -> AgentDetail:
        return await door.detail(agent)

    @router.get("/api/agents/{agent}/history", summary="Everything that happened to its trust, newest first")
    async def history(agent: str) -> History:
        return History(agent=agent, turns=(await door.detail(agent)).history)


def _moves(router: APIRouter, door: AgentsDoor) -> None:
    """What a person does to it, for machines."""

    @router.post("/api/agents/{agent}/promote", summary="One tier up, when the record carries it")
    async def promote(agent: str, caller: Caller, body: MoveBody) -> Move:
        return await door.promote(caller.token, agent, body.to, body.reason, waive=body.waive)

    @router.post("/api/agents/{agent}/demote", summary="One tier down, or to the one that is named")
    async def demote(agent: str, caller: Caller, body: MoveBody) -> Move:
        return await door.demote(caller.token, agent, body.to, body.reason)

    @router.post("/api/agents/{agent}/revoke", summary="No further change by this agent")
    async def revoke(agent: str, caller: Caller, body: Why | None = None) -> RevocationReport:
        return await door.revoke(caller.token, agent, (body or Why()).reason)

    @router.post("/api/agents/{agent}/reinstate", summary="Give a revoked agent back its right to act")
    async def reinstate(agent: str, caller: Caller, body: Why | None = None) -> Move:
        return await door.reinstate(caller.token, agent, (body or Why()).reason)

    @router.post("/api/agents/{agent}/reviews", summary="A person's word on a plan that nobody carried out")
    async def review(agent: str, caller: Caller, body: PlanReview) -> Turn:
        """An observer's record: what it planned was right, or it was not."""
        return await door.review(caller.token, agent, body.plan, body.right)

    @router.post("/api/violations/{charge_id}/overturn", summary="The agent did not cause it: give back what it cost")
    async def overturn(charge_id: str, caller: Caller, body: Why | None = None) -> ChargeRow:
        return await door.overturn(caller.token, charge_id, (body or Why()).reason)


def _pages(router: APIRouter, door: AgentsDoor, pages: Pages) -> None:
    """The same for people's eyes."""

    @router.get("/agents", include_in_schema=False)
    async def page(request: Request) -> HTMLResponse:
        return await pages.render(request, "agents.html", agents=await door.all())

    @router.get("/agents/{agent}", include_in_schema=False)
    async def one(request: Request, agent: str) -> HTMLResponse:
        return await pages.render(request, "agent.html", a=await door.detail(agent), tiers=list(Tier))


def _forms(router: APIRouter, door: AgentsDoor) -> None:
    """And for their hands."""

    @router.post("/agents/{agent}/revoke", include_in_schema=False)
    async def revoke_form(
        agent: str, caller: Caller, reason: Reason = "", confirmed: Annotated[str, Form()] = ""
    ) -> RedirectResponse:
        if confirmed != agent:
            raise FirebreakError(
                "The revocation was not confirmed.", expected=f"the box ticked for {agent}", found="nothing",
                code="request.invalid",
            )  # fmt: skip
        await door.revoke(caller.token, agent, reason)
        return _back(agent)

    @router.post("/agents/{agent}/reinstate", include_in_schema=False)
    async def reinstate_form(agent: str, caller: Caller, reason: Reason = "") -> RedirectResponse:
        await door.reinstate(caller.token, agent, reason)
        return _back(agent)

    @router.post("/agents/{agent}/promote", include_in_schema=False)
    async def promote_form(agent: str, caller: Caller, reason: Reason = "") -> RedirectResponse:
        await door.promote(caller.token, agent, None, reason, waive=False)
        return _back(agent)

    @router.post("/agents/{agent}/demote", include_in_schema=False)
    async def demote_form(agent: str, caller: Caller, reason: Reason = "") -> RedirectResponse:
        await door.demote(caller.token, agent, None, reason)
        return _back(agent)

    @router.post("/violations/{charge_id}/overturn", include_in_schema=False)
    async def overturn_form(charge_id: str, caller: Caller, reason: Reason = "", back: Back = "/") -> RedirectResponse:
        await door.overturn(caller.token, charge_id, reason)
        return RedirectResponse(local_path(back), 303)


def _back(agent: str) -> RedirectResponse:
    return RedirectResponse(local_path(f"/agents/{agent}"), 303)
