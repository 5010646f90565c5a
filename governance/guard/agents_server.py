"""Agents over HTTP: who sits where and why, and what a person may do about it. Part of the action server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from pydantic import Field

from domain.action import Tier
from domain.agents import AgentDetail, AgentRow, ChargeRow, Move, RevocationReport, Turn
from domain.findings import Finding
from domain.value import Value
from governance.attribution import Condition, Standing
from governance.guard.agents import Agents
from governance.guard.guard import GuardedExecutor

Id = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[str, Field(max_length=1000)]


class MoveBody(Value):
    """`POST /v1/agents/{agent}/promote` and `/demote`."""

    to: Tier | None = None
    reason: Words = ""
    waive: bool = False
    """Promote beside the record; an admin's grant."""


class WhyBody(Value):
    """`POST /v1/agents/{agent}/revoke`, `/reinstate` and `/v1/violations/{id}/overturn`."""

    reason: Words = ""


class PlanReviewBody(Value):
    """`POST /v1/agents/{agent}/reviews`."""

    plan: Id
    right: bool


class ConditionBody(Value):
    """`POST /v1/conditions`."""

    condition: Condition
    agent: Annotated[str, Field(max_length=200)] = ""
    seconds: Annotated[float, Field(gt=0, le=3600)]


class AgentRows(Value):
    """Answer of `GET /v1/agents`."""

    agents: list[AgentRow]


class History(Value):
    """Answer of `GET /v1/agents/{agent}/history`."""

    turns: list[Turn]


class Findings(Value):
    """Answer of `GET /v1/findings`."""

    findings: list[Finding]


class CloseBody(Value):
    """`POST /v1/findings/{id}/close`."""

    evidence: Words


class Sealed(Value):
    """What a declared condition tells even to whoever declared it: its id and its end."""

    id: str
    entry: int


ROUTES = APIRouter(tags=["agents"])


def _agents(request: Request, authorization: Annotated[str, Header()] = "") -> Agents:
    guard: GuardedExecutor = request.app.state.guard
    scheme, _, token = authorization.partition(" ")
    return guard.agents_for(token.strip() if scheme.lower() == "bearer" else "")


Holder = Annotated[Agents, Depends(_agents)]


@ROUTES.get("/v1/agents")
async def agents(held: Holder) -> AgentRows:
    """Every agent with its seat, budgets and charges."""
    return AgentRows(agents=held.all())


@ROUTES.get("/v1/agents/{agent}")
async def agent(held: Holder, agent: str) -> AgentDetail:
    """One agent: record, criteria of the next tier, violations, history."""
    return held.detail(agent)


@ROUTES.get("/v1/agents/{agent}/history")
async def history(held: Holder, agent: str) -> History:
    """Everything that happened to its trust, newest first."""
    return History(turns=held.history(agent))


@ROUTES.post("/v1/agents/{agent}/promote")
async def promote(held: Holder, agent: Id, body: MoveBody) -> Move:
    """One tier up, when the record carries it."""
    return held.promote(agent, body.to, body.reason, waive=body.waive)


@ROUTES.post("/v1/agents/{agent}/demote")
async def demote(held: Holder, agent: Id, body: MoveBody) -> Move:
    """One tier down, or to the one that is named."""
    return held.demote(agent, body.to, body.reason)


@ROUTES.post("/v1/agents/{agent}/revoke")
async def revoke(held: Holder, agent: Id, body: WhyBody) -> RevocationReport:
    """No further change by this agent."""
    return await held.revoke(agent, body.reason)


@ROUTES.post("/v1/agents/{agent}/reinstate")
async def reinstate(held: Holder, agent: Id, body: WhyBody) -> Move:
    """Give a revoked agent back its right to act."""
    return held.reinstate(agent, body.reason)


@ROUTES.post("/v1/agents/{agent}/reviews")
async def review(held: Holder, agent: Id, body: PlanReviewBody) -> History:
    """A person's word on one of its plans."""
    held.review(agent, body.plan, body.right)
    return History(turns=held.history(agent)[:1])


@ROUTES.post("/v1/violations/{charge_id}/overturn")
async def overturn(held: Holder, charge_id: str, body: WhyBody) -> ChargeRow:
    """The agent did not cause it."""
    return held.overturn(charge_id, body.reason)


@ROUTES.get("/v1/findings")
async def findings(held: Holder) -> Findings:
    """Anomalies of our own operation, each once."""
    return Findings(findings=held.findings())


@ROUTES.post("/v1/findings/{finding_id}/accept")
async def accept_finding(held: Holder, finding_id: str) -> Finding:
    """A person takes the suggestion on."""
    return held.accept_finding(finding_id)


@ROUTES.post("/v1/findings/{finding_id}/close")
async def close_finding(held: Holder, finding_id: str, body: CloseBody) -> Finding:
    """It is fixed, and this shows it."""
    return held.close_finding(finding_id, body.evidence)


@ROUTES.post("/v1/conditions")
async def inject(held: Holder, body: ConditionBody) -> Sealed:
    """Put injected trouble of the agent plane on record, sealed."""
    standing = await held.inject(body.condition, body.agent, body.seconds)
    return Sealed(id=standing.id, entry=standing.entry)


@ROUTES.post("/v1/conditions/{condition_id}/lift")
async def lift(held: Holder, condition_id: str) -> Standing:
    """End it, and open what was sealed."""
    return held.lift(condition_id)
