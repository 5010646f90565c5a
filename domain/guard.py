"""The face of the only door: the same for the guard itself and for its clients in other processes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Protocol

from pydantic import ConfigDict, Field, JsonValue

from domain.action import ActionCall, ActionSpec, Judgement, Outcome, Reason, Verdict
from domain.plan import Plan
from domain.value import UtcTime, Value


class Actor(Value):
    """On whose behalf something is asked, with the ids that tie ledger, logs, traces and pages together."""

    agent: str
    """Agent id, e.g. `responder`."""
    change: str
    """The change this belongs to: an incident id, a drill id, a skill run, a deployment."""
    thread: str = ""
    run: str = ""
    fence: int = Field(default=0, ge=0, lt=2**53)
    """Token of the lock under which the agent works on the change; 0: it holds none. A newer one ends its right to act."""


class ApprovalStatus(StrEnum):
    """State of one approval."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    MODIFIED = "modified"
    ESCALATED = "escalated"
    TERMINATED = "terminated"
    EXPIRED = "expired"
    CONSUMED = "consumed"


class Decision(StrEnum):
    """What a person may answer."""

    APPROVE = "approve"
    MODIFY = "modify"
    REJECT = "reject"
    ESCALATE = "escalate"
    TERMINATE = "terminate"


class Approval(Value):
    """One question to a person, bound to exactly one state of the world."""

    id: str
    change: str
    plan: str
    step_id: str
    call: ActionCall
    digest: str
    """Over action, arguments, target-state witness, policy revision and pre-authorised compensations."""
    summary: str
    """What would change, from the dry run."""
    blast_radius: str = ""
    undo: str = ""
    """How it is taken back, or why it cannot be."""
    reasons: list[Reason] = []
    witness: dict[str, Any] = {}
    compensations: list[ActionCall] = []
    """Undo calls that this approval pre-authorises."""
    quorum: int = 1
    requested_by: str
    requested_at: UtcTime
    expires_at: UtcTime
    status: ApprovalStatus = ApprovalStatus.OPEN
    answered_by: list[str] = []
    answered_at: UtcTime | None = None
    reason: str = ""
    """What the person gave as reason, or why the question ended without an answer."""
    moot_since: UtcTime | None = None
    """By when the symptoms had ended without it, so that the question was withdrawn; None: that was not seen."""


class Withdrawal(Value):
    """Why a question needs no answer any more: what it was asked about ended by itself."""

    since: UtcTime
    """By when the symptoms had ended."""
    found: Annotated[str, Field(max_length=500)]
    """What the look that saw it says."""


REASONED = (Decision.REJECT, Decision.ESCALATE, Decision.TERMINATE)
"""Answers that others will want to know the reason of."""
_ANSWER_RULES: dict[str, JsonValue] = {
    "allOf": [
        {
            "if": {"properties": {"decision": {"const": Decision.MODIFY.value}}},
            "then": {"required": ["args"], "properties": {"args": {"type": "object"}}},
            "else": {"properties": {"args": {"type": "null"}}},
        },
        {
            "if": {"properties": {"decision": {"enum": [d.value for d in REASONED]}}},
            "then": {"required": ["reason"], "properties": {"reason": {"type": "string", "pattern": "[0-9A-Za-z]"}}},
        },
    ]
}
"""What `web.approvals.checked` asks for, in the published schema."""


class ApprovalAnswer(Value):
    """A person's answer. The person's identity comes from the credential, never from the body."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_ANSWER_RULES)

    decision: Decision
    reason: str = ""
    args: dict[str, Any] | None = None
    """New arguments; only with `modify`. The modified call is judged again."""


class Receipt(Value):
    """What the guard answers to an attempt."""

    step_id: str
    verdict: Verdict
    outcome: Outcome
    summary: str
    reasons: list[Reason] = []
    ledger: list[int] = []
    """Sequence numbers of the ledger entries it wrote."""
    undo: ActionCall | None = None
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    seconds: float = 0.0
    approval_id: str | None = None
    """Set when the verdict is ask and a person must answer first."""


class GuardStatus(Value):
    """How the door stands."""

    frozen: bool = False
    frozen_by: str = ""
    frozen_at: UtcTime | None = None
    policy: str = ""
    open_approvals: int = 0
    ledger_entries: int = 0
    ledger_head: str = ""
    in_flight: int = 0


class LedgerEntry(Value):
    """One row of the ledger as it is shown."""

    seq: int
    at: UtcTime
    kind: str
    """attempt, refusal, intent, effect, read_back, compensation, approval, grant, freeze, resume, commitment, opening …"""
    actor: str
    change: str
    content: dict[str, Any]
    prev: str
    hash: str


NEWEST = 2**53 - 1
"""A sequence number that no entry reaches: a search before it begins with the newest entry."""


class EntrySearch(Value):
    """Which entries are looked for. What is empty is left open."""

    words: Annotated[str, Field(max_length=200)] = ""
    """Each of them somewhere in the entry: number, kind, actor, change, content or hash."""
    kind: Annotated[str, Field(max_length=40)] = ""
    actor: Annotated[str, Field(max_length=200)] = ""
    change: Annotated[str, Field(max_length=200)] = ""
    """An incident, a drill, a deployment."""
    before: Annotated[int, Field(ge=0, le=NEWEST)] = NEWEST
    """Only entries with a lower sequence number."""
    limit: Annotated[int, Field(ge=1, le=500)] = 40

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.words.strip() or self.kind or self.actor or self.change)


class EntriesFound(Value):
    """Entries, newest first."""

    entries: list[LedgerEntry]
    older: int | None
    """Pass it as `before` to look further back; None when the beginning was reached. There may be more although none was
    found: one search looks through a limited number of entries."""


class LedgerVerification(Value):
    """Result of walking the whole chain and comparing it with the anchors."""

    entries: int
    verified: bool
    broken_at: int | None = None
    """First sequence number that does not hold."""
    problem: str = ""
    head: str = ""


class Guard(Protocol):
    """The only way to a mutating action."""

    async def specs(self) -> list[ActionSpec]:
        """All registered actions."""
        ...

    async def judge(self, plan: Plan, actor: Actor) -> list[Judgement]:
        """Pin the plan, judge every step with a dry run, open approvals where people must be asked."""
        ...

    async def apply(self, plan_id: str, step_id: str, actor: Actor, approval_id: str | None = None) -> Receipt:
        """Carry out one step of a judged plan. Asking twice for the same step never takes effect twice."""
        ...

    async def compensate(self, plan_id: str, step_id: str, actor: Actor) -> Receipt:
        """Take one applied step back with its recorded undo."""
        ...

    async def approval(self, approval_id: str) -> Approval:
        """Raises NotFoundError."""
        ...

    async def approvals(self, *, open_only: bool = False, change: str | None = None) -> list[Approval]:
        """Newest first."""
        ...

    async def withdraw(self, approval_id: str, ended: Withdrawal) -> Approval:
        """Take back a question that nobody answered yet. Raises ConflictError when somebody was faster, NotFoundError."""
        ...

    async def status(self) -> GuardStatus:
        """Frozen or not, and what is open."""
        ...
