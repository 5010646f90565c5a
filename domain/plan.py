"""What shall be done about it: steps, each with its undo, and the digest that binds execution to the plan."""

from __future__ import annotations

from domain.action import ActionCall, Effect, Outcome
from domain.value import UtcTime, Value, digest


class Criterion(Value):
    """How a step's success is read from outside, by a probe."""

    probe: str
    service: str
    expect: str
    """In words; the probe's own `ok` decides."""


class Step(Value):
    """One action with its reasons and its undo."""

    id: str
    call: ActionCall
    effect: Effect
    rationale: str
    """Why this helps; cites evidence ids in brackets."""
    evidence: list[str] = []
    undo: ActionCall | None = None
    cannot_undo: str = ""
    """Said openly when there is no undo."""
    criteria: list[Criterion] = []
    tainted_args: list[str] = []
    """Names of arguments that stem from untrusted text."""

    def binding_digest(self) -> str:
        """What APPLY_WITHOUT_PLAN is checked against: id, action, target and arguments."""
        return digest({"id": self.id, "call": self.call.model_dump(mode="json")})


class Plan(Value):
    """Steps in order, for one hypothesis."""

    id: str
    incident: str
    revision: int = 1
    """1 for the first plan, +1 with every replan."""
    hypothesis: str
    """The statement it rests on."""
    confidence: float | None = None
    """In that hypothesis, 0 to 1; None when no diagnosis stands behind the plan."""
    fault_class: str | None = None
    service: str | None = None
    steps: list[Step] = []
    summary: str = ""
    source: str = "rules"
    """Who proposed it: rules, model, skill name."""
    dry: bool = False
    """Only asked what it would do: nobody is asked to approve it and no step of it can be carried out."""
    created_at: UtcTime

    def plan_digest(self) -> str:
        """Digest over everything but the time."""
        return digest(self.model_dump(mode="json", exclude={"created_at"}))


class StepResult(Value):
    """What happened with a step."""

    step_id: str
    action: str
    target: str
    outcome: Outcome
    summary: str
    seconds: float = 0.0
    ledger: list[int] = []
    """Sequence numbers of its ledger entries."""
    undo: ActionCall | None = None
    compensation: bool = False
    """True when this was a rollback."""
    at: UtcTime
