"""What a drill says in the end. The drill itself lives in `chaos` and treats the responder as a black box."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

from domain.diagnosis import DiagnosisVerdict
from domain.report import Brief
from domain.value import UtcTime, Value


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
    narrative: list[str] = []
    """Numbers and names in the brief that nothing in the incident carries; empty is right."""
    brief: Brief | None = None
    ledger: DrillLedger
    seconds: float


class DrillState(StrEnum):
    """Where a drill stands."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def terminal(self) -> bool:
        """Nothing more will happen."""
        return self is not DrillState.RUNNING


class DrillPhase(StrEnum):
    """What a running drill is doing, in the order of the screen."""

    STEADY = "steady"
    COMMITTED = "committed"
    BROKEN = "broken"
    PAGED = "paged"
    DETECTED = "detected"
    FOLLOWING = "following"
    WAITING = "waiting"
    RECOVERED = "recovered"
    JUDGING = "judging"
    OPENED = "opened"
    RESTORED = "restored"
    ENDED = "ended"


class DrillProgress(Value):
    """One line of a drill as it goes. While the drill is blind it never names the fault."""

    at: UtcTime
    phase: DrillPhase
    text: str
    incident: str | None = None


class DrillRun(Value):
    """A drill with everything that may be shown of it now."""

    schema_version: str = "1"
    id: str
    state: DrillState
    blind: bool = True
    fault: str | None = None
    """None until the label is opened."""
    incident: str | None = None
    started_at: UtcTime
    ended_at: UtcTime | None = None
    progress: list[DrillProgress] = []
    result: DrillResult | None = None
    error: str = ""
    """Why it could not be carried out, with what to do."""


class Drills(Protocol):
    """Whoever can run drills. The caller may name a fault; the responder is never told."""

    async def start(self, fault: str | None = None, *, seed: int | None = None) -> str:
        """Begin one drill; the id. Raises ConflictError when one is running or the door is frozen."""
        ...

    async def get(self, drill_id: str) -> DrillRun:
        """Raises NotFoundError."""
        ...

    async def runs(self) -> list[DrillRun]:
        """Newest first."""
        ...
