"""judge: the guard's verdict on every step, with all its reasons."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from langgraph.runtime import Runtime

from agents.verifier import HEALTH_PROBES, health_of
from domain.action import Judgement, Verdict
from domain.incident import IncidentStatus, TimelineEntry
from domain.plan import Plan
from graph.nodes.walk import Node, entry, revoked_by
from graph.services import Services
from graph.state import Knobs, State


def make_judge(services: Services) -> Node:
    """Pins the plan at the guard. Also remembers how the health checks stand before anything is done."""

    async def judge(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
        plan = state["plan"]
        assert plan is not None, "routing sends only plans here"
        judgements = await services.guard.judge(plan, services.actor(state["incident"], state["run"]))
        status = await services.guard.status()
        readings = await services.probes.run(list(HEALTH_PROBES))
        now = services.clock.now()
        return {
            "judgements": judgements,
            "approvals": [j.approval_id for j in judgements if j.approval_id],
            "refused": denied_pairs(plan, judgements),
            "before": health_of(readings),
            "halt": state.get("halt") or (f"everything is frozen by {status.frozen_by}" if status.frozen else ""),
            **revoked_by(judgements),
            "status": status_after(judgements),
            "timeline": [judged_entry(plan, j, now) for j in judgements],
        }

    return judge


def denied_pairs(plan: Plan, judgements: Sequence[Judgement]) -> list[str]:
    """`action target` of the denied steps; the planner leaves them out."""
    denied = {j.step_id for j in judgements if j.verdict is Verdict.DENY}
    return [f"{s.call.action} {s.call.target}" for s in plan.steps if s.id in denied]


def status_after(judgements: Sequence[Judgement]) -> IncidentStatus:
    """What the inbox shows while the next node runs."""
    verdicts = {j.verdict for j in judgements}
    if Verdict.DENY in verdicts or not verdicts:
        return IncidentStatus.PLANNING
    return IncidentStatus.WAITING if judgements[0].verdict is Verdict.ASK else IncidentStatus.ACTING


def judged_entry(plan: Plan, judgement: Judgement, at: datetime) -> TimelineEntry:
    """One verdict on the timeline."""
    step = next((s for s in plan.steps if s.id == judgement.step_id), None)
    what = f"{step.call.action} on {step.call.target}" if step else judgement.step_id
    against = "; ".join(r.text for r in judgement.reasons if r.verdict is judgement.verdict)
    reasons = against if judgement.verdict is not Verdict.ALLOW else "nothing speaks against it"
    return entry(
        at,
        "step.judged",
        f"{what}: {judgement.verdict.value} ({reasons})",
        step=judgement.step_id,
        verdict=judgement.verdict.value,
        approval=judgement.approval_id,
    )
