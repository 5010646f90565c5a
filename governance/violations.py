"""What an agent may be charged with: fourteen types, their severity and what follows. The one table of them (spec: Violations)."""

from __future__ import annotations

from enum import StrEnum


class Consequence(StrEnum):
    """What a charge leads to."""

    REVOKE_AND_ALERT = "revoke_and_alert"
    REVOKE = "revoke"
    SECOND_REVOKES = "second_revokes"
    """A warning; the second one within the window revokes."""
    WARN = "warn"


class Gravity(StrEnum):
    """Severity of a violation, the worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def consequence(self) -> Consequence:
        """What a charge of this severity leads to."""
        return _CONSEQUENCES[self]

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Gravity).index(self)


class Violation(StrEnum):
    """What was violated."""

    UNAUTHORIZED_POOL = "UNAUTHORIZED_POOL"
    """A target outside the agent's pool, or outside the inventory."""
    APPLY_WITHOUT_PLAN = "APPLY_WITHOUT_PLAN"
    """The step's digest is not in a judged plan."""
    RUN_WITHOUT_CHECK = "RUN_WITHOUT_CHECK"
    """A mutating step without a successful dry run."""
    UNAUTHORIZED_PROD = "UNAUTHORIZED_PROD"
    """Production without the right to it."""
    UNRECORDED_ROOT = "UNRECORDED_ROOT"
    """An effect by our own executors that the ledger did not know of beforehand."""
    BASELINE_MUTATION = "BASELINE_MUTATION"
    """A golden snapshot has another digest after the agent's step."""
    ERROR_BUDGET_EXCEEDED = "ERROR_BUDGET_EXCEEDED"
    """Another step after the tier's error budget was used up."""
    PROCEDURE_VIOLATION = "PROCEDURE_VIOLATION"
    """A move between phases that the lifecycle does not know."""
    HEARTBEAT_TIMEOUT = "HEARTBEAT_TIMEOUT"
    """Running, and not heard of for longer than the heartbeat lives."""
    LOCK_EXPIRED = "LOCK_EXPIRED"
    """Acting on a lock that was not renewed."""
    SCOPE_VIOLATION = "SCOPE_VIOLATION"
    """A step of another change's or another agent's plan."""
    FORBIDDEN_ACTION = "FORBIDDEN_ACTION"
    """An action that the tier or a policy rule forbids."""
    CONFIDENCE_BELOW_THRESHOLD = "CONFIDENCE_BELOW_THRESHOLD"
    """Acting on a hypothesis that is weaker than the environment asks for."""
    MISSING_ARTIFACT = "MISSING_ARTIFACT"
    """A run that acted was closed without what it owes: its verification, its brief."""

    @property
    def gravity(self) -> Gravity:
        """How bad it is."""
        return _GRAVITIES[self]


_CONSEQUENCES: dict[Gravity, Consequence] = {
    Gravity.CRITICAL: Consequence.REVOKE_AND_ALERT,
    Gravity.HIGH: Consequence.REVOKE,
    Gravity.MEDIUM: Consequence.SECOND_REVOKES,
    Gravity.LOW: Consequence.WARN,
}

_GRAVITIES: dict[Violation, Gravity] = {
    Violation.UNAUTHORIZED_POOL: Gravity.CRITICAL,
    Violation.APPLY_WITHOUT_PLAN: Gravity.CRITICAL,
    Violation.RUN_WITHOUT_CHECK: Gravity.CRITICAL,
    Violation.UNAUTHORIZED_PROD: Gravity.CRITICAL,
    Violation.UNRECORDED_ROOT: Gravity.CRITICAL,
    Violation.BASELINE_MUTATION: Gravity.CRITICAL,
    Violation.ERROR_BUDGET_EXCEEDED: Gravity.HIGH,
    Violation.PROCEDURE_VIOLATION: Gravity.HIGH,
    Violation.HEARTBEAT_TIMEOUT: Gravity.HIGH,
    Violation.LOCK_EXPIRED: Gravity.HIGH,
    Violation.SCOPE_VIOLATION: Gravity.MEDIUM,
    Violation.FORBIDDEN_ACTION: Gravity.MEDIUM,
    Violation.CONFIDENCE_BELOW_THRESHOLD: Gravity.LOW,
    Violation.MISSING_ARTIFACT: Gravity.LOW,
}

TOLD: frozenset[Violation] = frozenset(
    {
        Violation.UNAUTHORIZED_POOL,
        Violation.UNAUTHORIZED_PROD,
        Violation.RUN_WITHOUT_CHECK,
        Violation.FORBIDDEN_ACTION,
    }
)
"""Violations of a word that the agent had heard: charged only when the judgement had said no to this very step."""
