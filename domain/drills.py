"""What a drill says in the end. The drill itself lives in `chaos` and treats the responder as a black box."""

from __future__ import annotations

from typing import Any

from domain.diagnosis import DiagnosisVerdict
from domain.report import Brief
from domain.value import Value


class DrillDiagnosis(Value):
    """What the responder believed."""

    verdict: DiagnosisVerdict
    service: str | None = None
    fault_class: str | None = None
    confidence: float = 0.0


class DrillPlanStep(Value):
    """A step as it was planned."""

    action: str
    target: str
    verdict: str
    undo: str


class DrillAction(Value):
    """A step as it was carried out."""

    action: str
    target: str
    outcome: str
    seconds: float


class DrillLedger(Value):
    """State of the ledger after the drill."""

    entries: int
    verified: bool


class DrillResult(Value):
    """Result of a drill or of `firebreak demo --once --json` (spec: Terminal)."""

    schema_version: str = "1"
    drill: str = ""
    fault: str
    blind: bool
    incident: str | None
    detected: bool
    detection_s: float | None
    diagnosis: DrillDiagnosis | None
    expected: dict[str, Any] = {}
    """The opened label: fault, service, abstain."""
    diagnosed: bool = False
    plan: list[DrillPlanStep] = []
    actions: list[DrillAction] = []
    approvals: int = 0
    mitigated: bool
    mitigation_s: float | None
    durable: bool
    harmful_actions: list[str] = []
    rolled_back: bool = False
    escalated: bool = False
    abstained: bool | None = None
    """Only for abstain drills: reasoned verdict and no mutating action."""
    oracle: list[str] = []
    """What the oracle saw, line by line."""
    brief: Brief | None = None
    ledger: DrillLedger
    seconds: float
