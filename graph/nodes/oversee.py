"""oversee: overwatch reads the run and says whether it may go on; what must be taken back is listed here."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

from datetime import datetime
from typing import Any

from langgraph.runtime import Runtime

from domain.incident import IncidentStatus, TimelineEntry
from domain.reasoning import OverseeAnswer, OverseeQuestion
from graph.nodes.walk import Node, author, entry, fallback_entries, knobs_of
from graph.routing import more_steps, step_held, steps_to_undo
from graph.services import Services
from graph.state import Knobs, State

ALARMS = "overwatch"
"""Channel on which the watch tells what it noticed."""


def make_oversee(services: Services) -> Node:
    """Continue, clarify or revoke; routing reads the decision."""

    async def oversee(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
        now = services.clock.now()
        said = await services.crew.said(state["incident"], ALARMS)
        held = (await services.held()).violations(state["incident"])
        question = question_of(state, knobs_of(runtime), now, said[state.get("alarms", 0) :], held)
        heard = await services.minds.overwatch.oversee(question)
        undoing = to_undo(state, heard.answer)
        who = author("overwatch", heard.by, heard.fell_back)
        if heard.answer.decision != "continue" or "prompt" in who:
            told = {"decision": heard.answer.decision, "reason": heard.answer.reason, "undoing": undoing, **who}
            await services.note("decision", state["incident"], told)
        return {
            "decision": heard.answer.decision,
            **({"revoked": held[-1]} if held else {}),
            "undoing": undoing,
            "alarms": len(said),
            "status": IncidentStatus.VERIFYING,
            "timeline": [
                *fallback_entries(now, "overwatch", heard.fell_back),
                *decision_entries(heard.answer, undoing, now),
            ],
        }

    return oversee


def question_of(state: State, knobs: Knobs, now: datetime, alarms: list[str], violations: list[str]) -> OverseeQuestion:
    """What overwatch reads."""
    started = datetime.fromisoformat(state["started_at"]) if state.get("started_at") else now
    return OverseeQuestion(
        incident=state["incident"],
        replans=state.get("replans", 0),
        max_replans=knobs.max_replans,
        results=state.get("results", []),
        verifications=state.get("verifications", []),
        seconds=max(0.0, (now - started).total_seconds()),
        violations=violations,
        alarms=alarms,
        underway=underway(state),
    )


def underway(state: State) -> bool:
    """Whether the last step held, nothing got worse, and the plan's next step follows."""
    checks = state.get("verifications", [])
    return more_steps(state) and step_held(state) and not (checks and checks[-1].regressed)


def to_undo(state: State, word: OverseeAnswer) -> list[str]:
    """Nothing after a cure or between steps that hold; else all that this plan changed and that has an undo."""
    plan, checks = state.get("plan"), state.get("verifications", [])
    if plan is None or not checks or checks[-1].passed:
        return []
    return [] if underway(state) and word.decision != "revoke" else steps_to_undo(plan, state)


def decision_entries(word: OverseeAnswer, undoing: list[str], at: datetime) -> list[TimelineEntry]:
    """Only what changes the course is told."""
    rows = [] if word.decision == "continue" else [entry(at, f"run.{word.decision}", word.reason)]
    return rows + ([entry(at, "rollback.decided", f"taking back {', '.join(undoing)}")] if undoing else [])
