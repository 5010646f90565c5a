"""The lease store in memory: for tests and for looking at the rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chaos.lease import Lease, LeaseState, claimable, not_found
from chaos.model import Undo
from domain.errors import ConflictError


class MemoryLeaseStore:
    """Implements LeaseStore; nothing outlives the process."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}
        self._halted: str | None = None

    def add(self, lease: Lease) -> None:
        if lease.id in self._leases:
            raise ConflictError(f"lease {lease.id} exists")
        self._leases[lease.id] = lease

    def get(self, lease_id: str) -> Lease:
        lease = self._leases.get(lease_id)
        if lease is None:
            raise not_found(lease_id)
        return lease

    def leases(self, *, unfinished: bool = False) -> list[Lease]:
        rows = reversed(self._leases.values())
        return [lease for lease in rows if not (unfinished and lease.state.finished)]

    def amend(self, lease_id: str, extra: Undo) -> Lease:
        lease = self.get(lease_id)
        return self._put(lease, undo={**lease.undo, **extra})

    def activate(self, lease_id: str, at: datetime) -> Lease:
        lease = self.get(lease_id)
        if lease.state is not LeaseState.PREPARED:
            raise ConflictError(f"lease {lease_id} is {lease.state}, expected prepared")
        return self._put(lease, state=LeaseState.ACTIVE, injected_at=at)

    def claim(self, lease_id: str, holder: str, at: datetime) -> bool:
        lease = self.get(lease_id)
        if not claimable(lease, at):
            return False
        self._put(lease, state=LeaseState.RESTORING, holder=holder, claimed_at=at, attempts=lease.attempts + 1)
        return True

    def finish(self, lease_id: str, *, by: str, at: datetime, restored: bool, verified: bool, note: str = "") -> Lease:
        state = LeaseState.RESTORED if restored else LeaseState.FAILED
        lease = self.get(lease_id)
        return self._put(lease, state=state, restored_by=by, restored_at=at, verified=verified, note=note)

    def halt(self, reason: str, at: datetime) -> None:
        self._halted = f"{reason} ({at.isoformat()})"

    def resume(self) -> None:
        self._halted = None

    def halted(self) -> str | None:
        return self._halted

    def _put(self, lease: Lease, **changes: Any) -> Lease:
        changed = lease.model_copy(update=changes)
        self._leases[lease.id] = changed
        return changed
