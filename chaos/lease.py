"""Leases: no fault without a deadline and without a written way back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from chaos.model import Magnitude, Undo
from domain.errors import NotFoundError
from domain.value import UtcTime, Value


class LeaseState(StrEnum):
    """Where a lease stands."""

    PREPARED = "prepared"
    ACTIVE = "active"
    RESTORING = "restoring"
    RESTORED = "restored"
    FAILED = "failed"
    """Restoring was tried and could not be verified; it will be tried again."""

    @property
    def finished(self) -> bool:
        """Nothing of ours is left."""
        return self is LeaseState.RESTORED


class Lease(Value):
    """One fault on loan."""

    id: str
    fault: str
    parameters: dict[str, Any] = {}
    magnitude: Magnitude = Magnitude.MEDIUM
    blind: bool = True
    drill: str | None = None
    commitment: str = ""
    state: LeaseState = LeaseState.PREPARED
    prepared_at: UtcTime
    injected_at: UtcTime | None = None
    deadline: UtcTime
    undo: dict[str, Any] = {}
    holder: str = ""
    """Who is restoring it."""
    claimed_at: UtcTime | None = None
    attempts: int = 0
    """How often restoring was tried."""
    restored_by: str = ""
    """drill, server, reaper, kill, interrupt … empty while it stands."""
    restored_at: UtcTime | None = None
    verified: bool | None = None
    """Whether the steady state was seen after restoring."""
    note: str = ""


CLAIM_STALE_S = 45.0
"""A restorer that claimed a lease and was not heard of for so long is taken for dead."""

RETRY_S = 3.0
"""Pause before a failed restoration is tried again, times the number of attempts, at most 30 s."""


def claimable(lease: Lease, now: datetime) -> bool:
    """Whether somebody may start restoring this lease now."""
    match lease.state:
        case LeaseState.PREPARED | LeaseState.ACTIVE:
            return True
        case LeaseState.RESTORING:
            return lease.claimed_at is None or now - lease.claimed_at >= timedelta(seconds=CLAIM_STALE_S)
        case LeaseState.FAILED:
            pause = min(30.0, RETRY_S * lease.attempts)
            return lease.claimed_at is None or now - lease.claimed_at >= timedelta(seconds=pause)
        case LeaseState.RESTORED:
            return False


def due(leases: Iterable[Lease], now: datetime, *, halted: bool = False) -> list[Lease]:
    """The leases to restore now: run out, failed before, or all of them once the kill switch is thrown."""
    return [
        lease
        for lease in leases
        if claimable(lease, now)
        and (halted or lease.deadline <= now or lease.state in {LeaseState.FAILED, LeaseState.RESTORING})
    ]


class LeaseStore(Protocol):
    """Where leases survive whoever made them. Every write is durable when the call returns."""

    def add(self, lease: Lease) -> None:
        """Write a new lease."""
        ...

    def get(self, lease_id: str) -> Lease:
        """Raises NotFoundError."""
        ...

    def leases(self, *, unfinished: bool = False) -> list[Lease]:
        """Newest first."""
        ...

    def amend(self, lease_id: str, extra: Undo) -> Lease:
        """Add facts to the undo."""
        ...

    def activate(self, lease_id: str, at: datetime) -> Lease:
        """The fault is in; refuses (ConflictError) once restoring began."""
        ...

    def claim(self, lease_id: str, holder: str, at: datetime) -> bool:
        """Take the right to restore; false when somebody else has it. Atomic."""
        ...

    def finish(self, lease_id: str, *, by: str, at: datetime, restored: bool, verified: bool, note: str = "") -> Lease:
        """Restored, with or without the steady state seen again, or failed and up for another try."""
        ...

    def halt(self, reason: str, at: datetime) -> None:
        """Throw the kill switch."""
        ...

    def resume(self) -> None:
        """Put the kill switch back."""
        ...

    def halted(self) -> str | None:
        """Why the kill switch is thrown, or None."""
        ...


def not_found(lease_id: str) -> NotFoundError:
    """The error for an unknown lease."""
    return NotFoundError(
        f"there is no lease {lease_id}",
        expected="the id of an injection",
        found=lease_id,
        hint="GET /status lists the active ones",
    )
