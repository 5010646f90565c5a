"""How dangerous a deployment is: a score that its factors add up to, and what is predicted (spec: contracts, Risk)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.value import Value

Percent = Annotated[float, Field(ge=0, le=100)]


class RiskLevel(StrEnum):
    """Four levels, lowest first. The thresholds stand here and nowhere else."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def floor(self) -> float:
        """Lowest score (0 to 100) that has this level."""
        return {"low": 0.0, "medium": 30.0, "high": 50.0, "critical": 70.0}[self.value]

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical."""
        return list(RiskLevel).index(self)

    def at_least(self, other: RiskLevel) -> bool:
        """Whether it is `other` or above."""
        return self.rank >= other.rank

    @staticmethod
    def of(score: float) -> RiskLevel:
        """The level of a score: critical from 70, high from 50, medium from 30."""
        return max((level for level in RiskLevel if score >= level.floor), key=lambda level: level.rank)


class FactorName(StrEnum):
    """What makes a change risky."""

    CACHING = "caching"
    SCHEMA = "database_schema"
    API_BREAK = "api_breaking_change"
    TRAFFIC = "traffic"
    PERMISSIONS = "permissions"
    SECRETS = "encryption_secrets"
    ROUTING = "load_balancing"
    STORAGE = "storage"
    DEPENDENCY = "dependency_upgrade"
    CONFIGURATION = "configuration"
    CONCURRENCY = "concurrency"
    INFRASTRUCTURE = "infrastructure"
    OBSERVABILITY = "observability_removed"
    TESTS = "tests_removed"
    SIZE = "size"
    CHURN = "churn"
    OWNERSHIP = "ownership"
    HISTORY = "history"
    TOPOLOGY = "topology"
    TIME = "time"


class Factor(Value):
    """One reason for the score."""

    name: FactorName
    weight: Percent
    """Points of the score that come from it; the weights of all factors add up to the score."""
    reason: str
    where: list[str] = []
    """`file` or `file:line` or `file:first-last`, as they are after the change (before it, for what was removed)."""


class Interval(Value):
    """A prediction with its 80 % interval."""

    low: float
    expected: float
    high: float
    unit: str
    basis: str
    """What it rests on, in words: priors, or how many recorded outcomes."""


class Risk(Value):
    """Everything that is said about the danger of one change."""

    score: Percent
    level: RiskLevel
    confidence: Annotated[float, Field(ge=0, le=1)]
    factors: list[Factor] = []
    doubts: list[str] = []
    """What could not be read or is not known; each lowers the confidence."""
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    """Chance that this deployment is rolled back or violates its contract; None: no calibrated model was asked."""
    basis: str = ""
    """What `probability` rests on: stated priors, or how many recorded outcomes."""
    latency: Interval | None = None
    """Predicted change of p95, in percent of the baseline."""
    errors: Interval | None = None
    """Predicted change of the error rate, in percentage points."""
    affected_users: str = ""
    """Who suffers if it goes wrong, in words with a number where one is known."""
