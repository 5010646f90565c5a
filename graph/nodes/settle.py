"""What a skill's plan came to, told to the skill's record when the plan is replaced or the run closes."""

from __future__ import annotations

from domain.action import Verdict
from domain.guard import ApprovalStatus
from domain.incident import TimelineEntry
from graph.nodes.walk import entry
from graph.services import Services
from graph.state import State
from skills.field import Used

SAYS_NOTHING = ("taken", "revoked", "failed")
"""Outcomes of a run that are about who worked on it, not about what was done."""


async def settled(services: Services, state: State) -> list[TimelineEntry]:
    """The record of the skill that wrote the present plan, as a timeline entry; none when there is nothing to say."""
    used = used_in(state)
    if services.skilled is None or used is None:
        return []
    text = await services.skilled.settle(used)
    return [entry(services.clock.now(), "skill.recorded", text, plan=used.plan.id)] if text else []


def used_in(state: State) -> Used | None:
    """The present plan with all that was seen of it; None while it says nothing about whoever wrote it."""
    plan = state.get("plan")
    if plan is None or not plan.steps or state.get("stale") or state.get("outcome") in SAYS_NOTHING:
        return None
    used = Used(
        incident=state["incident"],  # pyright: ignore[reportTypedDictNotRequiredAccess]
        plan=plan,
        results=state.get("results", []),
        judgements=state.get("judgements", []),
        looks=state.get("verifications", []),
        refused=refusal(state),
    )
    return used if used.begun or used.refused else None


def refusal(state: State) -> str:
    """Who said no to the plan: a person, or governance; empty when nobody did."""
    answer, plan = state.get("answer") or {}, state.get("plan")
    if answer.get("status") == ApprovalStatus.REJECTED:
        return "a person rejected it"
    steps = {step.id for step in plan.steps} if plan else set()
    denied = (j for j in state.get("judgements", []) if j.step_id in steps and j.verdict is Verdict.DENY)
    return next((f"governance denied it: {'; '.join(r.text for r in j.reasons)}"[:300] for j in denied), "")
