"""The brief by rules: every sentence is made from the thing that it cites."""

from __future__ import annotations

from datetime import datetime

from agents.advice import PREVENTION
from agents.citing import AFTER_STEP, plan_behind
from domain.action import Outcome
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence
from domain.incident import Incident
from domain.plan import StepResult
from domain.report import Brief, Check, Sentence

_SYMPTOM_SOURCES = ("probe:http_health", "probe:tcp_health")
_OUTCOME_WORDS = {
    Outcome.SUCCEEDED: "took effect",
    Outcome.FAILED: "failed",
    Outcome.SKIPPED: "was not needed",
    Outcome.UNKNOWN: "ended without an answer",
}


def write_brief(incident: Incident, now: datetime) -> Brief:
    """All sections; the explainer's grounding pass goes over them like over anyone's."""
    return Brief(
        what_broke=what_broke(incident),
        why=why(incident),
        actions=actions_taken(incident),
        recovery=recovery(incident),
        prevention=prevention(incident),
        status_page=status_page(incident),
        written_by="rules",
        written_at=now,
    )


def what_broke(incident: Incident) -> list[Sentence]:
    """What users and alerts saw."""
    rows = [e for e in _evidence(incident) if e.supports != AFTER_STEP]
    symptoms = [e for e in rows if e.kind == "alert" or (e.source in _SYMPTOM_SOURCES and e.data.get("error", True))]
    symptoms = symptoms or [e for e in rows if e.kind == "metric"]
    return [quote(e) for e in symptoms[:3]]


def why(incident: Incident) -> list[Sentence]:
    """The leading cause, then what it rests on and what speaks against it."""
    diagnosis = incident.diagnosis
    if diagnosis is None:
        return []
    if diagnosis.top is None or diagnosis.verdict is not DiagnosisVerdict.FAULT:
        return [quote(e) for e in diagnosis.evidence[:3]]
    top, by_id = diagnosis.top, {e.id: e for e in diagnosis.evidence}
    sentences = [Sentence(text=top.statement, evidence=top.evidence)] if top.evidence else []
    sentences += [quote(by_id[i]) for i in top.evidence[:3] if i in by_id]
    return sentences + [quote(by_id[i], "Against it: ") for i in top.against[:2] if i in by_id]


def actions_taken(incident: Incident) -> list[Sentence]:
    """One sentence per step, resting on its ledger entries; before the steps of a skill, whose they are and its record."""
    return [sentence for r in incident.results for sentence in (*tell_skill(incident, r), tell_step(r))]


def tell_skill(incident: Incident, result: StepResult) -> list[Sentence]:
    """Before the first step of a skill's plan: which skill it was, and its record. Nothing for loose actions."""
    plan = plan_behind(incident, result)
    if (
        plan is None
        or result.compensation
        or not plan.source.startswith("skill ")
        or plan.steps[0].id != result.step_id
    ):
        return []
    return [Sentence(text=f"By {plan.source}: {plan.summary}", evidence=[f"L{n}" for n in result.ledger])]


def tell_step(result: StepResult) -> Sentence:
    """What a step did and how it ended."""
    what = f"{result.action} on {result.target}"
    text = f"{'Rollback: ' if result.compensation else ''}{what} {_OUTCOME_WORDS[result.outcome]}: {result.summary}"
    return Sentence(text=text.rstrip(": "), evidence=[f"L{n}" for n in result.ledger])


def recovery(incident: Incident) -> list[Sentence]:
    """What the last look at the patient showed."""
    if not incident.verifications:
        return []
    checks = incident.verifications[-1].checks
    return [Sentence(text=tell_check(c), evidence=c.evidence) for c in checks if c.evidence]


def tell_check(check: Check) -> str:
    """One look after a step: what users get, or what became of the condition at its place."""
    if check.kind == "symptom":
        return f"{'users are served' if check.ok else 'users are not served'}: {check.text}"
    _, _, place = check.name.partition(" ")
    return f"{place.replace('.', ' ').replace('_', ' ')} {check.text}"


def prevention(incident: Incident) -> list[Sentence]:
    """What the runbooks and the change at fault suggest."""
    rows = [e for e in _evidence(incident) if e.kind == "runbook" and e.supports == PREVENTION]
    sentences = [Sentence(text=e.excerpt, evidence=[e.id]) for e in rows[:1]]
    changes = [e for e in _evidence(incident) if e.kind == "change" and e.id in _cause_ids(incident)]
    return sentences + [quote(e, "Review the change: ") for e in changes[:2]]


def status_page(incident: Incident) -> str:
    """One paragraph for users; says nothing internal."""
    if incident.outcome == "mitigated":
        return "We had a problem that affected some requests. Service is restored and we keep watching it."
    if incident.outcome == "healthy" and incident.plans:
        return "We had a problem that affected some requests. It has ended and we keep watching."
    if incident.outcome in ("healthy", "external"):
        return "We looked into a report of problems. Our service is working."
    return "We have a problem that affects some requests. People are working on it."


def quote(evidence: Evidence, lead: str = "") -> Sentence:
    """The evidence's own words as a sentence."""
    where = f"{evidence.service}: " if evidence.service and evidence.service not in evidence.excerpt else ""
    return Sentence(text=f"{lead}{where}{evidence.excerpt}", evidence=[evidence.id])


def _evidence(incident: Incident) -> list[Evidence]:
    return incident.diagnosis.evidence if incident.diagnosis else []


def _cause_ids(incident: Incident) -> set[str]:
    diagnosis: Diagnosis | None = incident.diagnosis
    return set(diagnosis.top.evidence) if diagnosis and diagnosis.top else set()
