"""Agents as people see them: seat, record, what is held against them. What the action server answers and pages show."""

from __future__ import annotations

from typing import Any

from domain.action import Tier
from domain.value import UtcTime, Value


class Turn(Value):
    """One turn in an agent's career, as the ledger has it."""

    entry: int
    at: UtcTime
    kind: str
    by: str
    change: str
    text: str


class RecordRow(Value):
    """An agent's record for one action in one environment."""

    action: str
    environment: str
    held: int
    failed: int
    consecutive: int
    """Latest in a row that held."""
    weight: float
    """Weighted by effect class, faded by disuse."""
    origins: dict[str, int]
    """Origin → runs: demo, staging, shadow, production."""
    last: UtcTime
    earned: bool
    """Whether it may run unattended on production from T3 on."""


class Criterion(Value):
    """One line of what the next tier asks for."""

    text: str
    needed: str
    found: str
    met: bool


class BudgetRow(Value):
    """One budget of the agent's newest change."""

    what: str
    spent: int
    limit: int


class ChargeRow(Value):
    """One suspicion and what came of it."""

    id: str
    violation: str
    gravity: str
    what: str
    cause: str
    evidence: str
    charged: bool
    consequence: str
    change: str
    at: UtcTime
    entry: int


class AgentRow(Value):
    """One agent at a glance."""

    agent: str
    tier: Tier
    name: str
    """The tier's name."""
    status: str
    """active, revoked, or unseated."""
    revoked: str = ""
    """By whom, when and why; empty when it is not."""
    heartbeat: UtcTime | None = None
    """Last heartbeat that was seen; None when none was since the action server started."""
    asked: UtcTime | None = None
    """When it last asked the guard for something; None when it did not since the action server started."""
    charges: int = 0
    """Within the window that counts."""
    budgets: list[BudgetRow] = []


class AgentDetail(AgentRow):
    """Everything about one agent."""

    record: list[RecordRow] = []
    next_tier: Tier | None = None
    criteria: list[Criterion] = []
    waits_for: str = ""
    """Whose word a promotion still needs, besides what the criteria say."""
    violations: list[ChargeRow] = []
    history: list[Turn] = []
    handoff: dict[str, Any] | None = None


class Move(Value):
    """What came of a person's word about a tier."""

    agent: str
    tier: Tier
    moved: bool
    text: str
    criteria: list[Criterion] = []
    entry: int = -1
    """Sequence number of the ledger entry."""


class RevocationReport(Value):
    """What a revocation did."""

    agent: str
    seconds: float
    """From the revocation until nothing of the agent was running."""
    stopped: list[str]
    """Claim keys of executions that were cut off; their effect is looked for."""
    locks: list[str]
    """Targets whose lock was taken from it."""
    handoff: int
    """Ledger entry of the handoff."""
