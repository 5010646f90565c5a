"""One incident as everybody sees it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from domain.action import Judgement
from domain.alert import Alert
from domain.crew import OutputPointer
from domain.diagnosis import Diagnosis
from domain.lifecycle import RuntimeStatus
from domain.plan import Plan, StepResult
from domain.report import Brief, Verification
from domain.severity import Severity
from domain.usage import Usage
from domain.value import UtcTime, Value


class IncidentStatus(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    DIAGNOSING = "diagnosing"
    PLANNING = "planning"
    WAITING = "waiting"
    ACTING = "acting"
    VERIFYING = "verifying"
    RESOLVED = "resolved"
    ESCALATED = "escalated"
    TAKEN = "taken"
    DISMISSED = "dismissed"

    @property
    def terminal(self) -> bool:
        """No agent works on it any more."""
        return self in {
            IncidentStatus.RESOLVED,
            IncidentStatus.ESCALATED,
            IncidentStatus.TAKEN,
            IncidentStatus.DISMISSED,
        }


class TimelineEntry(Value):
    """One past-tense fact on an incident's timeline."""

    at: UtcTime
    event: str
    """Constant dotted name: `alert.received`, `plan.created`, `step.applied` …"""
    text: str
    evidence: list[str] = []
    data: dict[str, Any] = {}


class IncidentRow(Value):
    """A row of `incident list`."""

    id: str
    status: IncidentStatus
    severity: Severity
    opened_at: UtcTime
    service: str = ""
    fault_class: str | None = None
    confidence: float | None = None
    actions: int = 0
    outcome: str = ""
    title: str = ""


class Incident(Value):
    """The whole record."""

    schema_version: str = "1"
    id: str
    thread_id: str
    run_id: str
    title: str
    status: IncidentStatus
    severity: Severity
    opened_at: UtcTime
    closed_at: UtcTime | None = None
    service: str = ""
    group_key: str = ""
    """What later alerts are grouped by."""
    alerts: list[Alert] = []
    diagnosis: Diagnosis | None = None
    confidence_history: list[dict[str, Any]] = []
    plans: list[Plan] = []
    judgements: list[Judgement] = []
    results: list[StepResult] = []
    verifications: list[Verification] = []
    approvals: list[str] = []
    """Approval ids; the action server has the records."""
    brief: Brief | None = None
    timeline: list[TimelineEntry] = []
    phase: str = "BOOTSTRAP"
    runtime: RuntimeStatus = RuntimeStatus.PENDING
    """How the agent stands within its phase."""
    recoveries: int = 0
    """How often the run failed and was taken up again."""
    outcome: str = ""
    """Empty while open: mitigated, rolled_back, escalated, healthy, external, inconclusive, denied, revoked, taken,
    disagreed, failed."""
    run_result: str = ""
    """success, error, consensus_failure or aborted; empty while the run goes on."""
    outputs: list[OutputPointer] = []
    """What the run left in the artifact store, oldest first."""
    reopens: str | None = None
    """Id of the closed incident that this one re-opens."""
    model: str = ""
    """Which reasoner answered last, and whether it fell back."""
    usage: Usage = Usage()
    """What its questions to a model have cost."""

    def row(self) -> IncidentRow:
        """The short form."""
        top = self.diagnosis.top if self.diagnosis else None
        return IncidentRow(
            id=self.id,
            status=self.status,
            severity=self.severity,
            opened_at=self.opened_at,
            service=(top.service if top else self.service),
            fault_class=top.fault_class if top else None,
            confidence=self.diagnosis.confidence if self.diagnosis else None,
            actions=len(self.results),
            outcome=self.outcome,
            title=self.title,
        )
