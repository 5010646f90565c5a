"""approve: interrupts, and does nothing else. Code before an interrupt runs again on resume, so there is none."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from domain.guard import Decision
from domain.plan import Step
from graph.routing import current_step, judgement_of
from graph.state import Knobs, State


async def approve(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
    """Wait for a person. The answer only says that one was given; the guard looks up which."""
    return {"answer": as_answer(interrupt(question_of(state)))}


def question_of(state: State) -> dict[str, Any]:
    """The interrupt's payload: pure, in the shape that chat front ends understand."""
    step, approval = asked_about(state)
    return {
        "incident": state["incident"],
        "approval": approval,
        "step": step.id if step else None,
        "action_requests": [_request(step)] if step else [],
        "review_configs": [_config(step)] if step else [],
    }


def asked_about(state: State) -> tuple[Step | None, str | None]:
    """The step that a person is asked about, as it would be carried out, and the approval: taking back, or the next one."""
    plan, undoing = state.get("plan"), state.get("undoing", [])
    if (approval := state.get("undo_asked")) and plan is not None:
        return as_undo(next(s for s in plan.steps if s.id == undoing[0]), state), approval
    step = current_step(state)
    judgement = judgement_of(state, step) if step else None
    return step, judgement.approval_id if judgement else None


def as_undo(step: Step, state: State) -> Step:
    """The step that takes this one back, with the undo that was recorded when it was applied."""
    undo = next((r.undo for r in state.get("results", []) if r.step_id == step.id and r.undo), step.call)
    rationale = f"takes {step.call.action} on {step.call.target} back"
    return step.model_copy(update={"call": undo, "undo": None, "rationale": rationale})


def as_answer(value: Any) -> dict[str, Any]:
    """Whatever was resumed with, as a dictionary with a status."""
    if isinstance(value, dict):
        return {"status": "", **value}
    return {"status": str(value)}


def _request(step: Step) -> dict[str, Any]:
    undo = f"undo: {step.undo.action}" if step.undo else f"cannot be undone: {step.cannot_undo}"
    return {
        "name": step.call.action,
        "args": {"target": step.call.target, **step.call.args},
        "description": f"{step.rationale}; {undo}",
    }


def _config(step: Step) -> dict[str, Any]:
    return {"action_name": step.call.action, "allowed_decisions": [d.value for d in Decision]}
