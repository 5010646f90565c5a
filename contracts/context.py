"""What a deployment is about, as somebody describes it: the service, its objectives, its neighbours, what changes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.baseline import Baseline
from domain.inventory import Environment
from domain.value import UtcTime, Value, digest

Share = Annotated[float, Field(ge=0, le=100)]
"""Percent."""
Amount = Annotated[float, Field(ge=0, lt=1e12)]
Text = Annotated[str, Field(max_length=2000)]


class RollbackCapability(StrEnum):
    """What the owner says about taking this release back, best first. Evidence from the change can only lower it."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


class Level(StrEnum):
    """How much users suffer when a neighbour fails."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class FileChange(Value):
    """One file, as it was described. Tags and description are words, not proof."""

    file_path: Annotated[str, Field(min_length=1, max_length=1000)]
    change_type: Annotated[str, Field(max_length=60)] = "modified"
    lines_changed: Annotated[int, Field(ge=0, lt=10**9)] = 0
    risk_tags: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=50)] = []
    description: Text = ""


class Neighbour(Value):
    """A service that this one depends on."""

    service_name: Annotated[str, Field(min_length=1, max_length=200)]
    service_type: Annotated[str, Field(max_length=100)] = ""
    criticality: Level = Level.MEDIUM
    average_latency_ms: Amount | None = None
    error_rate_percent: Share | None = None


class DeploymentContext(Value):
    """One deployment. Rates are percent of requests, latencies milliseconds; None means nobody said."""

    deployment_id: Annotated[str, Field(min_length=1, max_length=200)]
    service_name: Annotated[str, Field(min_length=1, max_length=200)]
    environment: Environment = Environment.PRODUCTION
    version: Annotated[str, Field(max_length=200)] = ""
    changes: Annotated[list[FileChange], Field(max_length=20_000)] = []
    current_error_rate: Share | None = None
    target_error_rate: Share | None = None
    current_p95: Amount | None = None
    target_p95: Amount | None = None
    current_p99: Amount | None = None
    target_p99: Amount | None = None
    qps: Amount | None = None
    peak_qps: Amount | None = None
    dependencies: Annotated[list[Neighbour], Field(max_length=500)] = []
    dependants: Annotated[list[str], Field(max_length=500)] = []
    """Services that need this one, nearest first."""
    owner: Annotated[str, Field(max_length=200)] = ""
    reviewers: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=200)] = []
    rollback_capability: RollbackCapability | None = None
    planned_at: UtcTime | None = None
    """When it shall go out; None: not said, so the time adds no risk."""
    baseline: Baseline | None = None
    """How the service does today, measured; None: nobody measured it."""
    base: Annotated[str, Field(max_length=64)] = ""
    head: Annotated[str, Field(max_length=64)] = ""
    """Commits that the change lies between; empty for a context that was only described."""

    def fingerprint(self) -> str:
        """SHA-256 of everything above but the measured baseline: another context is another contract."""
        return digest(self.model_dump(mode="json", exclude={"baseline"}))
