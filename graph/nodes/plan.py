"""plan: what would cure it, with everything excluded that was tried or refused."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agents.planner import PlanRequest, Proposal
from domain.guard import ApprovalStatus
from domain.incident import IncidentStatus, TimelineEntry
from graph.nodes.settle import settled
from graph.nodes.walk import Node, author, entry, fallback_entries
from graph.routing import current_step, was_carried_out
from graph.services import Services
from graph.state import Knobs, State


def make_plan(services: Services) -> Node:
    """The first plan, or the second choice after a denial, a rejection or a failed cure."""

    async def plan(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
        diagnosis, old, now = state["diagnosis"], state.get("plan"), services.clock.now()
        assert diagnosis is not None, "routing sends only diagnosed incidents here"
        refused = [*state.get("refused", []), *rejected_now(state)]
        request = PlanRequest(
            incident=state["incident"],
            revision=(old.revision if old else 0) + 1,
            diagnosis=diagnosis,
            actions=await services.guard.specs(),
            inventory=services.inventory,
            tried=state.get("results", []),
            refused=refused,
            runbooks=state.get("runbooks", []),
            now=now,
        )
        proposal = await services.minds.planner.plan(request)
        record = await settled(services, state)
        proposal = await preferred(services, request, proposal)
        await services.note("decision", state["incident"], plan_note(proposal))
        return {
            "plan": proposal.plan,
            "plans": [proposal.plan] if proposal.plan.steps else [],
            "cursor": 0,
            "answer": None,
            "undoing": [],
            "refused": refused,
            "replans": state.get("replans", 0) + (was_carried_out(state) or bool(state.get("stale"))),
            "stale": "",
            "model": proposal.by,
            "status": IncidentStatus.PLANNING,
            "timeline": [
                *record,
                *fallback_entries(now, "planner", proposal.fell_back),
                *plan_entries(proposal, now),
            ],
        }

    return plan


async def preferred(services: Services, request: PlanRequest, proposal: Proposal) -> Proposal:
    """The rehearsed way back of a blamed release, else what a trusted skill proposes, else the planner's own."""
    planned = proposal.plan
    if services.released is not None:
        proposal = await services.released.prefer(request, proposal)
    if services.skilled is not None and proposal.plan is planned:
        proposal = await services.skilled.prefer(request, proposal)
    return proposal


def rejected_now(state: State) -> list[str]:
    """The pair that a person just rejected."""
    step = current_step(state)
    rejected = (state.get("answer") or {}).get("status") == ApprovalStatus.REJECTED
    return [f"{step.call.action} {step.call.target}"] if step is not None and rejected else []


def plan_note(proposal: Proposal) -> dict[str, Any]:
    """What the ledger keeps of a plan."""
    return {"plan": proposal.plan.model_dump(mode="json"), **author("planner", proposal.by, proposal.fell_back)}


def plan_entries(proposal: Proposal, at: Any) -> list[TimelineEntry]:
    """The plan and what was left out of it."""
    plan = proposal.plan
    rows = [entry(at, "plan.noted", note) for note in proposal.notes]
    if not plan.steps:
        return [*rows, entry(at, "plan.empty", plan.summary)]
    evidence = sorted({e for s in plan.steps for e in s.evidence})
    text = f"plan {plan.revision} by {plan.source or proposal.by}: {plan.summary}"
    return [*rows, entry(at, "plan.created", text, evidence=evidence, plan=plan.id)]
