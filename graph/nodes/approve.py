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
    step = current_step(state)
    judgement = judgement_of(state, step) if step else None
    return {
        "incident": state["incident"],
        "approval": judgement.approval_id if judgement else None,
        "step": step.id if step else None,
        "action_requests": [_request(step)] if step else [],
        "review_configs": [_config(step)] if step else [],
    }


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
