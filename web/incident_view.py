"""An incident arranged for reading: what stands where on its page, which evidence is cited by what. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.action import Judgement
from domain.diagnosis import Evidence, Hypothesis
from domain.guard import Approval, ApprovalStatus
from domain.incident import Incident, IncidentStatus
from domain.plan import Plan, Step, StepResult
from domain.report import Sentence, Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One station of an incident's way."""

    name: str
    state: str
    """done, current, todo, skipped"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where a piece of evidence is used."""

    label: str
    anchor: str
    against: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisView:
    """A candidate cause with the evidence behind it."""

    hypothesis: Hypothesis
    supporting: list[Evidence]
    contradicting: list[Evidence]
    apart: list[Evidence]
    """What runbooks say to tell it from its look-alikes."""
    history: list[float]
    """Confidence over time, oldest first; ends with the present one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step with everything that was said and done about it."""

    step: Step
    judgement: Judgement | None
    approval: Approval | None
    results: list[StepResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """The page."""

    incident: Incident
    stages: list[Stage]
    hypotheses: list[HypothesisView]
    plan: Plan | None
    steps: list[StepView]
    earlier_plans: list[Plan]
    open_approvals: list[Approval]
    answered_approvals: list[Approval]
    verification: Verification | None
    known: frozenset[str]
    """Ids that may become links: evidence of this incident, ledger entries it names."""
    cited_by: Mapping[str, list[Citation]] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    """Good first questions for the chat."""


def view(incident: Incident, approvals: Sequence[Approval], now: datetime) -> IncidentView:
    """Arrange one incident with the approvals that belong to it."""
    plan = incident.plans[-1] if incident.plans else None
    waiting = [a for a in approvals if a.status is ApprovalStatus.OPEN and a.expires_at > now]
    return IncidentView(
        incident=incident,
        stages=stages(incident),
        hypotheses=_hypotheses(incident),
        plan=plan,
        steps=_steps(incident, plan, approvals),
        earlier_plans=list(reversed(incident.plans[:-1])),
        open_approvals=waiting,
        answered_approvals=[a for a in approvals if a not in waiting],
        verification=incident.verifications[-1] if incident.verifications else None,
        known=known_ids(incident),
        cited_by=citations(incident),
        questions=questions(incident),
    )


_STATIONS: tuple[tuple[str, IncidentStatus], ...] = (
    ("Noticed", IncidentStatus.OPEN),
    ("Diagnosed", IncidentStatus.DIAGNOSING),
    ("Planned", IncidentStatus.PLANNING),
    ("Approved", IncidentStatus.WAITING),
    ("Acted", IncidentStatus.ACTING),
    ("Verified", IncidentStatus.VERIFYING),
    ("Explained", IncidentStatus.RESOLVED),
)


def stages(incident: Incident) -> list[Stage]:
    """The stations of the walk with their states; a closed incident shows what it really passed."""
    reached = {
        "Noticed": True,
        "Diagnosed": incident.diagnosis is not None,
        "Planned": bool(incident.plans),
        "Approved": bool(incident.approvals),
        "Acted": bool(incident.results),
        "Verified": bool(incident.verifications),
        "Explained": incident.brief is not None,
    }
    at = next((i for i, (_, status) in enumerate(_STATIONS) if status is incident.status), None)
    shown = [s for s in enumerate(_STATIONS) if s[1][0] != "Approved" or incident.approvals]
    return [Stage(name=name, state=_state(i, at, reached[name], incident)) for i, (name, _) in shown]


def _state(index: int, at: int | None, reached: bool, incident: Incident) -> str:
    if incident.status.terminal or at is None:
        return "done" if reached else "skipped"
    if index == at + (1 if incident.status is IncidentStatus.OPEN else 0):
        return "current"
    return "done" if index < at or (incident.status is IncidentStatus.OPEN and index == 0) else "todo"


def known_ids(incident: Incident) -> frozenset[str]:
    """Evidence ids and ledger references that exist for this incident."""
    evidence = {e.id for e in incident.diagnosis.evidence} if incident.diagnosis else set()
    ledger = {f"L{seq}" for result in incident.results for seq in result.ledger}
    return frozenset(evidence | ledger)


def _hypotheses(incident: Incident) -> list[HypothesisView]:
    if incident.diagnosis is None:
        return []
    by_id = {e.id: e for e in incident.diagnosis.evidence}
    return [
        HypothesisView(
            hypothesis=h,
            supporting=[by_id[i] for i in h.evidence if i in by_id],
            contradicting=[by_id[i] for i in h.against if i in by_id],
            apart=[by_id[i] for i in h.apart if i in by_id],
            history=confidence_history(incident.confidence_history, h),
        )
        for h in incident.diagnosis.hypotheses
    ]


def confidence_history(history: Sequence[Mapping[str, Any]], hypothesis: Hypothesis) -> list[float]:
    """What one hypothesis was believed at each look; rows name service, fault class and confidence."""
    same = [
        float(row["confidence"])
        for row in history
        if row.get("service") == hypothesis.service
        and row.get("fault_class") == hypothesis.fault_class
        and isinstance(row.get("confidence"), int | float)
    ]
    return same if same and same[-1] == hypothesis.confidence else [*same, hypothesis.confidence]


def _steps(incident: Incident, plan: Plan | None, approvals: Sequence[Approval]) -> list[StepView]:
    if plan is None:
        return []
    judged = {j.step_id: j for j in incident.judgements}
    asked = {a.step_id: a for a in reversed(approvals) if a.plan == plan.id}
    return [
        StepView(
            step=s,
            judgement=judged.get(s.id),
            approval=asked.get(s.id),
            results=[r for r in incident.results if r.step_id == s.id],
        )
        for s in plan.steps
    ]


def citations(incident: Incident) -> dict[str, list[Citation]]:
    """Evidence id → everything on the page that rests on it."""
    used: dict[str, list[Citation]] = {}

    def note(ids: Sequence[str], label: str, anchor: str, *, against: bool = False) -> None:
        for name in ids:
            row = Citation(label=label, anchor=anchor, against=against)
            if row not in used.setdefault(name, []):
                used[name].append(row)

    for h in incident.diagnosis.hypotheses if incident.diagnosis else []:
        note(h.evidence, f"cause {h.rank}", f"cause-{h.rank}")
        note(h.against, f"cause {h.rank}", f"cause-{h.rank}", against=True)
        note(h.apart, f"cause {h.rank}", f"cause-{h.rank}")
    if incident.plans:
        for i, step in enumerate(incident.plans[-1].steps, 1):
            note(step.evidence, f"step {i}", f"step-{step.id}")
    for sentence in incident.brief.sentences() if incident.brief else []:
        note(sentence.evidence, "brief", "part-brief")
    for verification in incident.verifications[-1:]:
        for check in verification.checks:
            note(check.evidence, "verification", "part-verification")
    return used


def questions(incident: Incident) -> list[str]:
    """Questions that this incident's record can answer."""
    top = incident.diagnosis.top if incident.diagnosis else None
    asked = ["What changed before it started?"]
    if top:
        asked.append(f"What speaks against {top.service} as the cause?")
    if incident.plans:
        actions = {s.call.action for s in incident.plans[-1].steps}
        asked.append("Why not restart it?" if "restart_service" not in actions else "Why a restart?")
        asked.append("How is the plan taken back?")
    if incident.verifications:
        asked.append("How do we know that users are served again?")
    return asked[:4]


def brief_sections(incident: Incident) -> list[tuple[str, list[Sentence]]]:
    """The brief's parts in reading order, empty ones left out."""
    brief = incident.brief
    if brief is None:
        return []
    parts = [
        ("What broke", brief.what_broke),
        ("Why", brief.why),
        ("What was done", brief.actions),
        ("Recovery", brief.recovery),
        ("Prevention", brief.prevention),
    ]
    return [(title, sentences) for title, sentences in parts if sentences]


def carried(sentence: Sentence, known: frozenset[str]) -> bool:
    """Whether anything that exists stands behind a sentence."""
    return any(name in known or name.startswith("L") for name in sentence.evidence)
