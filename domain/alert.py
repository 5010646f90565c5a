"""What arrives: alerts and change events, normalised (spec: Alert intake)."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from domain.severity import Severity
from domain.value import UtcTime, Value


class AlertStatus(StrEnum):
    """State of one alert at its source."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"


class Signature(Value):
    """How the delivery proved where it comes from."""

    scheme: str
    """`bearer`, `hmac-sha256`, `standard-webhooks` or `none`."""
    verified: bool


class Alert(Value):
    """One alert of one delivery, in our words. Every text field is untrusted."""

    source: str
    delivery_id: str
    identity: str
    """The same alert over time (a fingerprint, a dedup key)."""
    episode_id: str
    """Identity plus start or cycle: the same alert firing anew is another episode."""
    group_key: str = ""
    title: str
    summary: str = ""
    status: AlertStatus
    severity: Severity = Severity.UNKNOWN
    severity_raw: str = ""
    service: str = ""
    environment: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    started_at: UtcTime | None = None
    ended_at: UtcTime | None = None
    received_at: UtcTime
    links: dict[str, str] = {}
    values: dict[str, float | int | str | None] = {}
    raw_ref: str = ""
    """Where the stored delivery lies (delivery id in the delivery store)."""
    signature: Signature = Signature(scheme="none", verified=False)


ChangeKind = Literal["commit", "deploy", "flag", "config", "migration"]


class Change(Value):
    """Something somebody changed: a deploy, a configuration edit, a migration, a commit, a flag."""

    id: str
    kind: ChangeKind
    time: UtcTime
    service: str = ""
    version: str = ""
    commit: str = ""
    summary: str = ""
    files: list[str] = []
    diff: str = ""
    """Unified diff, redacted; may be empty."""
    author: str = ""
