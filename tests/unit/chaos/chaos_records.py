"""Incident records for the tests of scoring and drills."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain.action import ActionCall, Effect, Judgement, Outcome, Verdict
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from domain.incident import Incident, IncidentStatus
from domain.plan import Plan, Step, StepResult
from domain.report import Brief, Sentence
from domain.severity import Severity

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def result(action: str = "restart_service", target: str = "api", **more: Any) -> StepResult:
    """A step that was carried out."""
    fields: dict[str, Any] = {"step_id": "s1", "action": action, "target": target, "outcome": Outcome.SUCCEEDED}
    return StepResult.model_validate(fields | {"summary": "done", "seconds": 1.5, "at": T0} | more)


def diagnosis(service: str = "api", fault_class: str = "wound", verdict: DiagnosisVerdict | None = None) -> Diagnosis:
    """A belief with one piece of evidence."""
    evidence = [Evidence(id="E1", kind="reading", source="probe:x", excerpt="95.8 % of 120 requests to api failed")]
    top = Hypothesis(
        rank=1, service=service, fault_class=fault_class, confidence=0.9, statement="it is so", evidence=["E1"]
    )
    kind = verdict or DiagnosisVerdict.FAULT
    return Diagnosis(
        incident="inc-1",
        verdict=kind,
        confidence=0.9,
        summary="reasons",
        hypotheses=[top] if kind is DiagnosisVerdict.FAULT else [],
        evidence=evidence,
    )


def incident(status: IncidentStatus = IncidentStatus.RESOLVED, **more: Any) -> Incident:
    """A record; `more` sets any field."""
    fields: dict[str, Any] = {
        "id": "inc-1",
        "thread_id": "t",
        "run_id": "r",
        "title": "users fail",
        "status": status,
        "severity": Severity.HIGH,
        "opened_at": T0,
    }
    return Incident.model_validate(fields | more)


def plan(action: str = "restart_service", target: str = "api") -> tuple[Plan, Judgement]:
    """A plan of one step and its judgement."""
    step = Step(
        id="s1",
        call=ActionCall(action=action, target=target),
        effect=Effect.TRANSIENT,
        rationale="it helps",
        cannot_undo="a restart is over when it is done",
    )
    made = Plan(id="p1", incident="inc-1", hypothesis="it is so", steps=[step], created_at=T0)
    return made, Judgement(step_id="s1", verdict=Verdict.ALLOW, judged_at=T0)


def brief(*sentences: tuple[str, list[str]]) -> Brief:
    """A brief of these sentences."""
    return Brief(what_broke=[Sentence(text=text, evidence=ids) for text, ids in sentences], written_at=T0)
