"""escalate, explain, learn: how a run ends."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from langgraph.runtime import Runtime

from agents.advice import advice_query, with_advice
from agents.asking import Answered
from domain.action import Verdict
from domain.diagnosis import Diagnosis, DiagnosisVerdict
from domain.guard import ApprovalStatus
from domain.incident import IncidentStatus
from domain.lifecycle import Phase
from domain.report import Brief
from domain.value import digest
from graph.nodes.clarify import DISAGREED
from graph.nodes.settle import settled
from graph.nodes.verify import verified_words
from graph.nodes.walk import Node, author, enter, entry, fallback_entries, knobs_of
from graph.records.projection import project
from graph.routing import moot
from graph.services import Services
from graph.state import Knobs, State
from rag.learning import case_note

TAKEN = "taken over"
"""How a halt starts when a person works on the incident now."""
FAILED = "the run failed"
"""How a halt starts when all recoveries are used up."""
HALTS = {TAKEN: "taken", FAILED: "failed", DISAGREED: "disagreed"}
"""How a halt starts → outcome; any other halt escalates."""


def make_escalate(services: Services) -> Node:
    """A person is needed: say why, with what is known."""

    async def escalate(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
        now = services.clock.now()
        reason, outcome = why_escalated(state, knobs_of(runtime))
        said = {"escalated": reason, "outcome": outcome, **author("overwatch")}
        await services.note("decision", state["incident"], said)
        return {
            "status": IncidentStatus.TAKEN if outcome == "taken" else IncidentStatus.ESCALATED,
            "outcome": outcome,
            "undoing": [],
            "timeline": [entry(now, "incident.escalated", reason, outcome=outcome)],
        }

    return escalate


def why_escalated(state: State, knobs: Knobs) -> tuple[str, str]:
    """Reason in words, and the outcome."""
    halt = state.get("halt", "")
    if halt:
        return halt, next((o for words, o in HALTS.items() if halt.startswith(words)), "escalated")
    if state.get("revoked"):
        return f"the agent may act no more: {state.get('revoked')}", "revoked"
    diagnosis, plan = state.get("diagnosis"), state.get("plan")
    if diagnosis is None or diagnosis.verdict is DiagnosisVerdict.INCONCLUSIVE:
        blind = "; ".join(diagnosis.blind_spots[:3]) if diagnosis else "nothing could be read"
        return f"the evidence does not name a cause: {blind or 'no reading shows one'}", "inconclusive"
    if knobs.hands_off:
        return "this run may look but not touch; the plan stands for a person", "escalated"
    answered = (state.get("answer") or {}).get("status")
    if answered and state.get("undo_asked"):
        return f"taking {', '.join(state.get('undoing', []))} back was not approved: {answered}", "escalated"
    if answered and answered not in (ApprovalStatus.APPROVED, ApprovalStatus.MODIFIED):
        return f"the approval ended as {answered}", "denied" if answered == ApprovalStatus.REJECTED else "escalated"
    if any(r.compensation for r in state.get("results", [])):
        return "the steps did not cure it and were taken back", "rolled_back"
    if not state.get("results") and (state.get("refused") or denied(state)):
        return "governance allows none of the steps that could help", "denied"
    if plan is None or not plan.steps:
        return "no registered action removes what was read", "escalated"
    return "the steps did not cure it", "escalated"


def denied(state: State) -> bool:
    """Whether any step of the run was denied."""
    return any(j.verdict is Verdict.DENY for j in state.get("judgements", []))


def make_explain(services: Services) -> Node:
    """The brief; closes the record."""

    async def explain(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
        now = services.clock.now()
        status, outcome = how_it_ended(state)
        advised = await advised_diagnosis(services, state.get("diagnosis"))
        ended: State = {**state, "status": status, "outcome": outcome}
        incident = project({**ended, "diagnosis": advised} if advised else ended)
        written = await services.minds.explainer.explain(incident)
        await services.note("decision", state["incident"], brief_note(written, status, outcome))
        spent = services.minds.perceiver.spent(state["incident"])
        return {
            "brief": written.answer.model_copy(update={"model_use": spent.words() if spent.calls else ""}),
            **({"diagnosis": advised} if advised else {}),
            "status": status,
            "outcome": outcome,
            "model": written.by,
            "timeline": [*fallback_entries(now, "explainer", written.fell_back), closing_entry(status, outcome, now)],
        }

    return explain


def brief_note(written: Answered[Brief], status: IncidentStatus, outcome: str) -> dict[str, Any]:
    """What the ledger keeps of a brief: how the run ended, the brief's digest, what it cites and how much was dropped."""
    brief = written.answer
    return {
        "event": "brief.written",
        "status": status.value,
        "outcome": outcome,
        "brief": digest(brief),
        "evidence": list(dict.fromkeys(e for s in brief.sentences() for e in s.evidence)),
        "unsupported": len(brief.unsupported),
        **author("explainer", written.by, written.fell_back),
    }


async def advised_diagnosis(services: Services, diagnosis: Diagnosis | None) -> Diagnosis | None:
    """The diagnosis with what the fitting runbook says about prevention; unchanged when there is no cause to prevent."""
    if diagnosis is None or diagnosis.verdict is not DiagnosisVerdict.FAULT or diagnosis.top is None:
        return diagnosis
    passages = await services.retriever.search(advice_query(diagnosis.top), limit=12, kinds=("runbook",))
    return with_advice(diagnosis, passages)


def how_it_ended(state: State) -> tuple[IncidentStatus, str]:
    """Status and outcome of a run that reaches its brief."""
    if state.get("outcome"):
        return state.get("status", IncidentStatus.ESCALATED), state["outcome"]
    if moot(state):
        return IncidentStatus.DISMISSED, DiagnosisVerdict.HEALTHY.value
    checks, diagnosis = state.get("verifications", []), state.get("diagnosis")
    if checks and checks[-1].passed:
        return IncidentStatus.RESOLVED, "mitigated"
    verdict = diagnosis.verdict if diagnosis else DiagnosisVerdict.INCONCLUSIVE
    return IncidentStatus.DISMISSED, verdict.value


def closing_entry(status: IncidentStatus, outcome: str, at: datetime) -> Any:
    """The last word on the timeline."""
    return entry(at, f"incident.{status.value}", f"{status.value}: {outcome}", outcome=outcome)


def make_learn(services: Services) -> Node:
    """The redacted case goes where later incidents find it, and what a skill came to into the skill's record."""

    async def learn(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
        incident = project(state)
        title, text, metadata = case_note(incident)
        document = await services.cases.remember(incident.id, title, text, metadata)
        walked = enter(state, "learn")
        await services.note("closing", state["incident"], closing_note(state, walked, services.agent))
        kept = [entry(services.clock.now(), "case.remembered", f"remembered as {document}")] if document else []
        return {"timeline": [*kept, *await settled(services, state)]}

    return learn


def closing_note(state: State, walked: Sequence[Phase], agent: str) -> dict[str, Any]:
    """The run's last word to governance: what it walked, what it leaves behind, and whether probes confirmed the outcome.

    What a person mended, or what ended by itself, is neither credited nor held against anybody.
    """
    checks, outcome = state.get("verifications", []), state.get("outcome", "")
    left = [name for name, there in (("verification", checks), ("brief", state.get("brief"))) if there]
    judged = bool(checks and state.get("results")) and outcome not in ("taken", "healthy")
    return {
        "agent": agent,
        "run": state["run"],
        "outcome": outcome,
        "phases": [phase.value for phase in (*state.get("phases", []), *walked)],
        "artifacts": left,
        "verified": checks[-1].passed if judged else None,
        "looks": [verified_words(check)[:500] for check in checks][-20:],
        **author("closing"),
    }
