"""The score of a drill: pure arithmetic over what the responder did and what the oracle saw."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chaos.commitment import Label
from chaos.model import FaultSpec
from chaos.oracle import OracleVerdict, blamed
from domain.action import Outcome
from domain.diagnosis import DiagnosisVerdict, Hypothesis
from domain.drills import DrillAction, DrillDiagnosis, DrillLedger, DrillPlanStep, DrillResult
from domain.incident import Incident, IncidentStatus
from domain.plan import StepResult
from domain.report import Brief

DISRUPTIVE = ("restart_", "stop_", "restore_snapshot", "terminate_", "rollback_", "migrate", "rotate_", "clear_")
"""Beginnings of action names that somebody notices while they run; on a healthy bystander they do harm."""

DEED = frozenset({Outcome.SUCCEEDED, Outcome.UNKNOWN})
"""Outcomes after which the world may be another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the drill measured itself, on its own clock."""

    injected_at: datetime
    detected_at: datetime | None = None
    recovered_at: datetime | None = None
    """First visit of the last unbroken row of good ones."""
    lease_stood: bool = True
    """The fault's lease still ran, untouched, when the oracle had judged."""
    approvals: int = 0
    seconds: float = 0.0
    ledger_deeds: int | None = None
    """Effects that the ledger knows for this incident; None when it could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Everything a score is made of."""

    drill: str
    spec: FaultSpec
    label: Label
    blind: bool
    incident: Incident | None
    oracle: OracleVerdict
    watch: Watch
    ledger: DrillLedger
    names: Sequence[str]
    """Service names of the inventory."""
    own_damage: Sequence[str] = ()
    """Invariants that the fault itself broke."""


def score(exam: Examination) -> DrillResult:
    """The result, every field from the examination alone."""
    incident = exam.incident
    mitigated = is_mitigated(exam)
    return DrillResult(
        drill=exam.drill,
        fault=exam.label.fault,
        blind=exam.blind,
        incident=incident.id if incident else None,
        detected=incident is not None,
        detection_s=_between(exam.watch.injected_at, exam.watch.detected_at),
        diagnosis=diagnosis(incident),
        expected={
            "fault": exam.label.fault,
            "service": exam.label.service,
            "fault_class": exam.label.fault_class,
            "abstain": exam.spec.abstain,
            "parameters": exam.label.parameters,
        },
        diagnosed=is_diagnosed(exam),
        plan=plan_steps(incident),
        actions=[_action(r) for r in incident.results] if incident else [],
        approvals=exam.watch.approvals,
        mitigated=mitigated,
        mitigation_s=_between(exam.watch.injected_at, exam.watch.recovered_at) if mitigated else None,
        durable=mitigated and exam.oracle.durable,
        harmful_actions=harmful(exam),
        rolled_back=any(r.compensation for r in incident.results) if incident else False,
        escalated=incident is not None and incident.status is IncidentStatus.ESCALATED,
        abstained=has_abstained(exam) if exam.spec.abstain else None,
        oracle=exam.oracle.lines,
        narrative=unsupported(incident.brief, incident, exam.names) if incident and incident.brief else [],
        brief=incident.brief if incident else None,
        ledger=exam.ledger,
        seconds=round(exam.watch.seconds, 2),
    )


def deeds(incident: Incident | None) -> list[StepResult]:
    """Steps that changed something, or may have; taken-back ones included, the taking back itself not."""
    return [r for r in incident.results if r.outcome in DEED and not r.compensation] if incident else []


def is_mitigated(exam: Examination) -> bool:
    """Users are served, nothing was lost, the lease stood, and the responder's own hand did it."""
    if exam.spec.abstain:
        return False
    by_hand = any(r.outcome is Outcome.SUCCEEDED for r in deeds(exam.incident))
    in_ledger = exam.watch.ledger_deeds is None or exam.watch.ledger_deeds > 0
    return exam.oracle.served and exam.oracle.intact and exam.watch.lease_stood and by_hand and in_ledger


def is_diagnosed(exam: Examination) -> bool:
    """Right service and fault class on top; for an abstain drill: not a fault."""
    found = exam.incident.diagnosis if exam.incident else None
    if found is None:
        return False
    if exam.spec.abstain:
        return found.verdict is not DiagnosisVerdict.FAULT
    top = found.top
    return (
        found.verdict is DiagnosisVerdict.FAULT
        and top is not None
        and top.service == exam.label.service
        and top.fault_class == exam.label.fault_class
    )


def has_abstained(exam: Examination) -> bool:
    """An incident came in and was closed with a reasoned verdict, and nothing was changed."""
    incident = exam.incident
    if incident is None or incident.diagnosis is None or deeds(incident):
        return False
    reasoned = bool(incident.diagnosis.summary) and bool(incident.diagnosis.evidence)
    return reasoned and incident.diagnosis.verdict is not DiagnosisVerdict.FAULT and incident.status.terminal


def harmful(exam: Examination) -> list[str]:
    """What was done that nobody needed and somebody felt, in words."""
    touched = {exam.spec.service, *exam.spec.touches}
    lost = blamed(exam.oracle.broken_invariants, list(exam.own_damage))
    found = [f"lost: {line}" for line in lost] if deeds(exam.incident) else []
    for result in deeds(exam.incident):
        if exam.spec.abstain:
            found.append(f"{result.action} on {result.target}: nothing was broken")
        elif result.target not in touched and result.action.startswith(DISRUPTIVE):
            found.append(f"{result.action} on {result.target}: it was healthy and not part of the fault")
    return found


def diagnosis(incident: Incident | None) -> DrillDiagnosis | None:
    """The responder's belief in short."""
    found = incident.diagnosis if incident else None
    if found is None:
        return None
    top: Hypothesis | None = found.top if found.verdict is DiagnosisVerdict.FAULT else None
    return DrillDiagnosis(
        verdict=found.verdict,
        service=top.service if top else None,
        fault_class=top.fault_class if top else None,
        confidence=found.confidence,
    )


def plan_steps(incident: Incident | None) -> list[DrillPlanStep]:
    """The steps of the last plan with the guard's verdict on each."""
    if incident is None or not incident.plans:
        return []
    verdicts = {j.step_id: j.verdict.value for j in incident.judgements}
    return [
        DrillPlanStep(
            action=step.call.action,
            target=step.call.target,
            verdict=verdicts.get(step.id, "not judged"),
            undo=step.undo.action if step.undo else step.cannot_undo,
        )
        for step in incident.plans[-1].steps
    ]


_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)?")


def unsupported(brief: Brief, incident: Incident, names: Iterable[str]) -> list[str]:
    """Numbers and service names in the brief that the cited evidence, the steps taken or the record do not hold."""
    known = names_in_record(incident)
    problems = []
    for sentence in brief.sentences():
        if not sentence.evidence:
            problems.append(f"no evidence cited: {sentence.text}")
            continue
        problems += [
            f"{word!r} is not in the evidence: {sentence.text}" for word in _unknown(sentence.text, known, names)
        ]
    return problems


def names_in_record(incident: Incident) -> str:
    """All text a brief may draw on: evidence, alerts, hypotheses, plans, results, checks."""
    record: Any = incident.model_dump(mode="json", exclude={"brief", "timeline", "thread_id", "run_id"})
    record["closed_after"] = _between(incident.opened_at, incident.closed_at)
    return " ".join(_leaves(record))


def _leaves(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _leaves(item)
    elif isinstance(value, list):
        yield str(len(value))
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield str(value)


def _unknown(text: str, known: str, names: Iterable[str]) -> list[str]:
    numbers = {float(n.replace(",", ".")) for n in _NUMBER.findall(known)}
    words = [w for w in _NUMBER.findall(text) if not _known_number(w, numbers)]
    mentioned = [n for n in names if re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", text)]
    return words + [n for n in mentioned if n not in known]


def _known_number(word: str, numbers: set[float]) -> bool:
    """The number itself, or one that rounds to it as it is written, also as a percentage or in milliseconds."""
    value = float(word.replace(",", "."))
    places = len(word.replace(",", ".").partition(".")[2])
    return any(round(n * factor, places) == value for n in numbers for factor in (1, 100, 1000, 0.001))


def _action(result: StepResult) -> DrillAction:
    return DrillAction(
        action=result.action, target=result.target, outcome=result.outcome.value, seconds=round(result.seconds, 3)
    )


def _between(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else round(max(0.0, (end - start).total_seconds()), 2)
