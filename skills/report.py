"""What a run of a skill leaves behind: every look, every step, every reason; redacted, plain, replayable."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from domain.action import ActionCall, DryRun, Effect, Outcome, Reason, Verdict
from domain.runner import Profile
from domain.value import UtcTime, Value
from skills.check import Scalar
from skills.words import Slug

Engine: TypeAlias = Literal["rules", "llm"]
ModelName: TypeAlias = Annotated[str, Field(max_length=120, pattern=r"^[A-Za-z0-9._:/@-]*$")]
"""Of a model endpoint; empty: the configured one."""
OPINION = "second opinion"
"""The row of a model's no among the criteria. No check can have this name: it has a space."""


class Order(Value):
    """What is asked of a skill."""

    skill: Slug
    target: Annotated[str, Field(max_length=63)] = ""
    """The service that its target parameter names; empty: the parameter's default."""
    parameters: dict[str, Scalar] = {}
    execute: bool = False
    """False: a dry run."""
    allow_mutation: bool = False
    verifier: Engine = "rules"
    verifier_model: ModelName = ""


class RunStatus(StrEnum):
    """How a run stands or ended. Blocked is not succeeded; a dry run is neither."""

    RUNNING = "running"
    WAITING = "waiting"
    """A person must answer the guard first."""
    DRY_RUN = "dry_run"
    SUCCEEDED = "succeeded"
    NOT_FOUND = "not_found"
    """A skill that only looks did not find what it looks for. That is an answer, not a failure."""
    BLOCKED = "blocked"
    """The gate said no; nothing was done."""
    FAILED = "failed"
    """It did not do what it promises, and not everything could be taken back."""
    ROLLED_BACK = "rolled_back"
    """It did not do what it promises and was taken back."""
    UNKNOWN = "unknown"
    """The end of a step is not known, or a skill that only looks could not tell; a person must look."""

    @property
    def ended(self) -> bool:
        """Nothing more will happen."""
        return self not in (RunStatus.RUNNING, RunStatus.WAITING)


class Seen(Value):
    """What one check found."""

    name: str
    holds: bool | None
    """None: cannot tell. That is no yes."""
    text: str
    seconds: float = 0.0


class BudgetPart(Value):
    """One term of the risk budget."""

    name: Literal["scope", "mutation", "privilege", "no_rollback"]
    weight: float
    amount: float
    """0 to 1."""
    why: str


class RiskBudget(Value):
    """B = sum of weight · amount; the gate is at `limit`."""

    parts: list[BudgetPart]
    limit: float

    @property
    def spent(self) -> float:
        """B, rounded to three digits."""
        return round(sum(p.weight * p.amount for p in self.parts), 3)


class GateAnswer(Value):
    """Whether actions may begin."""

    open: bool
    reasons: list[str] = []
    """Why not, each with what would change it."""


class StepReport(Value):
    """One action, as judged and as done."""

    id: str
    name: str
    call: ActionCall
    effect: Effect
    dry_run: DryRun | None = None
    would: str = ""
    """What the dry run said."""
    verdict: Verdict | None = None
    reasons: list[Reason] = []
    approval: str | None = None
    outcome: Outcome | None = None
    """None: it was not begun."""
    summary: str = ""
    undo: ActionCall | None = None
    ledger: list[int] = []
    seconds: float = 0.0
    taken_back: bool | None = None
    """None: nothing was tried."""
    asked_back: str = ""
    """Approval that a person must answer before it is taken back."""
    aborts: bool = False
    """When it fails, everything stays as it is: `on_failure: abort`."""


class Failure(Value):
    """Why it did not work, in a word that repairs can be looked up by."""

    signature: str
    text: str
    step: str = ""
    """The action or check that showed it."""


class Edit(Value):
    """A proposed change of a skill's structure, with where it comes from. Proposed, never applied by itself."""

    skill: str
    base_digest: str
    """Of the procedure that it changes."""
    signature: str
    summary: str
    operations: list[dict[str, Any]]
    """[{add: preconditions | rollback | success_criteria | required_tools, value}]; hidden checks are not among them."""
    diff: str = ""
    by: str = "rules"
    runs: list[str] = []
    """Ids of the reports that it stems from."""


class Report(Value):
    """One run, as far as it went."""

    schema_version: Literal["1"] = "1"
    id: str
    order: Order
    version: str
    digest: str
    """Of the procedure that ran."""
    trust: str
    """The skill's state at that time: draft, validated, rehearsed, trusted."""
    given: dict[str, Any] = {}
    """Parameters as they were filled in."""
    status: RunStatus = RunStatus.RUNNING
    environment: Profile | None = None
    budget: RiskBudget | None = None
    preconditions: list[Seen] = []
    read: dict[str, dict[str, Any]] = {}
    """Action → arguments that were read with the preconditions."""
    gate: GateAnswer | None = None
    plan: str = ""
    """Id of the judged plan."""
    steps: list[StepReport] = []
    visible: list[Seen] = []
    hidden: list[Seen] = []
    """Without what they look at: a planner that reads reports learns only how many held."""
    failure: Failure | None = None
    edit: Edit | None = None
    answer: DryRun | None = None
    """What a dry run says of the whole: would change, no change, cannot tell."""
    doubts: list[str] = []
    notes: list[str] = []
    """Fall backs and other things that a reader must know."""
    verifier: str = "rules"
    """Who looked at the criteria: the rules alone, or a model beside them, by name."""
    rehearsal: str = ""
    """Id of the rehearsal that it belongs to; empty: the field."""
    incident: str = ""
    """The incident whose own run carried it out; empty: it was ordered."""
    started_at: UtcTime
    ended_at: UtcTime | None = None
    seconds: float = 0.0

    @property
    def mutated(self) -> bool:
        """Whether anything was begun that is not known to have done nothing."""
        return any(s.outcome in (Outcome.SUCCEEDED, Outcome.UNKNOWN, Outcome.FAILED) for s in self.steps)
