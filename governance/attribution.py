"""Who caused it: asked before anybody is charged. Pure; the conditions on record and the detector's own findings come in.

An agent answers for what it did. What was injected on purpose, what failed underneath it and what a person changed
behind its back lead to recovery, and are recorded with the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.value import UtcTime, Value
from governance.violations import Violation

LINGER_S = 60.0
"""Seconds for which an ended condition still explains a symptom: one heartbeat's lifetime."""


class Cause(StrEnum):
    """Where a symptom comes from. Only the first is charged."""

    AGENT = "agent"
    INJECTED = "injected"
    INFRASTRUCTURE = "infrastructure"
    HUMAN = "human"


class Condition(StrEnum):
    """Trouble of the agent plane that is made on purpose (spec: the six agent chaos conditions)."""

    TOKEN_REVOKED = "token_revoked"
    LOCK_LOST = "lock_lost"
    STATE_CORRUPTED = "state_corrupted"
    HEARTBEAT_TIMEOUT = "heartbeat_timeout"
    ERROR_SPIKE = "error_spike"
    NETWORK_DELAY = "network_delay"

    @property
    def explains(self) -> frozenset[Violation]:
        """The symptoms that it brings about in an agent that does everything right."""
        return _EXPLAINS[self]


_EXPLAINS: dict[Condition, frozenset[Violation]] = {
    Condition.TOKEN_REVOKED: frozenset({Violation.FORBIDDEN_ACTION}),
    Condition.LOCK_LOST: frozenset({Violation.LOCK_EXPIRED}),
    Condition.STATE_CORRUPTED: frozenset(
        {
            Violation.APPLY_WITHOUT_PLAN,
            Violation.PROCEDURE_VIOLATION,
            Violation.SCOPE_VIOLATION,
            Violation.MISSING_ARTIFACT,
        }
    ),
    Condition.HEARTBEAT_TIMEOUT: frozenset({Violation.HEARTBEAT_TIMEOUT}),
    Condition.ERROR_SPIKE: frozenset({Violation.ERROR_BUDGET_EXCEEDED}),
    Condition.NETWORK_DELAY: frozenset(
        {Violation.HEARTBEAT_TIMEOUT, Violation.LOCK_EXPIRED, Violation.ERROR_BUDGET_EXCEEDED}
    ),
}


class Standing(Value):
    """A condition on record."""

    id: str
    condition: Condition
    agent: str = ""
    """Whom it is done to; empty means every agent."""
    since: UtcTime
    until: UtcTime
    """When it ends by itself, or when it was ended."""
    entry: int
    """Sequence number of the ledger's `injection`."""

    def covers(self, agent: str, at: datetime) -> bool:
        """Whether it explains something of this agent at that time."""
        return self.agent in {"", agent} and self.since <= at <= self.until + timedelta(seconds=LINGER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """What a detector saw that speaks for another cause than the agent."""

    cause: Cause
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """A symptom that looks like a violation."""

    violation: Violation
    agent: str
    change: str
    what: str
    """What was seen, in words."""
    excuse: Excuse | None = None


def attribute(suspicion: Suspicion, standing: Sequence[Standing], at: datetime) -> Excuse:
    """The cause with its evidence: what the detector saw, else an injected condition that explains it, else the agent."""
    if suspicion.excuse is not None:
        return suspicion.excuse
    for condition in standing:
        if suspicion.violation in condition.condition.explains and condition.covers(suspicion.agent, at):
            text = f"{condition.condition.value} was injected at {condition.since:%H:%M:%S} (L{condition.entry})"
            return Excuse(cause=Cause.INJECTED, evidence=text)
    return Excuse(cause=Cause.AGENT, evidence="nothing on record explains it but the agent's own doing")
