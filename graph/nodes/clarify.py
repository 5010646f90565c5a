"""clarify: everybody stops, hears the clarified plan, and goes on only when every active agent has acknowledged it."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agents.overwatch import Review, clarify
from domain.crew import ClarifiedPlan
from domain.incident import IncidentStatus, TimelineEntry
from graph.barrier import Barrier
from graph.nodes.walk import Node, author, entry, knobs_of
from graph.services import Services
from graph.state import Knobs, State

DISAGREED = "the clarified plan was not acknowledged"
"""How a halt starts when the barrier was not passed."""


def make_clarify(services: Services) -> Node:
    """Pauses, broadcasts, waits, resumes. Running it again after a crash tells the same plan again."""
    barrier = Barrier(services.crew, services.clock)

    async def clarify_plan(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
        plan = clarify(await review_of(services, state))
        patience_s = knobs_of(runtime).barrier_s
        passed = await barrier.pass_with(plan, services.agent_at(plan.task), patience_s=patience_s)
        await services.note("decision", plan.task, {"event": "plan.clarified", **clarified_note(passed.plan)})
        words = f"{DISAGREED} by {', '.join(passed.missing)} within {patience_s:.0f} s"
        return {
            "clarified": [*state.get("clarified", []), plan.id],
            "decision": "clarify" if passed.missing else "continue",
            "halt": state.get("halt") or (words if passed.missing else ""),
            "status": IncidentStatus.PLANNING,
            "timeline": [clarified_entry(passed.plan, passed.missing)],
        }

    return clarify_plan


async def review_of(services: Services, state: State) -> Review:
    """The run's history and outputs, and what its agent was told to reach."""
    task = state["incident"]
    packet = await services.crew.packet(services.agent_at(task))
    rows = [e.text for e in state["timeline"] if e.event == "run.clarify"]
    return Review(
        task=task,
        number=len(state.get("clarified", [])) + 1,
        trigger=rows[-1] if rows else "overwatch asked for it",
        objective=packet.objective if packet else state.get("title", ""),
        results=state.get("results", []),
        verifications=state.get("verifications", []),
        outputs=state.get("outputs", []),
        undoing=state.get("undoing", []),
        now=services.clock.now(),
    )


def clarified_note(plan: ClarifiedPlan) -> dict[str, Any]:
    """What the ledger keeps: the whole plan and who said it."""
    return {"clarified_plan": plan.model_dump(mode="json"), **author("overwatch")}


def clarified_entry(plan: ClarifiedPlan, missing: list[str]) -> TimelineEntry:
    """The clarified plan on the timeline."""
    by = ", ".join(plan.acknowledged_by) or "nobody"
    late = f"; {', '.join(missing)} did not" if missing else ""
    text = f"{plan.id} ({plan.trigger}): {'; '.join(plan.adjustments)}. Acknowledged by {by}{late}"
    return entry(plan.at, "plan.clarified", text, plan=plan.model_dump(mode="json"))
