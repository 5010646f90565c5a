"""The kill switch: frozen at once and durably, quiet within seconds."""

from __future__ import annotations

import asyncio
from datetime import datetime

from domain.guard import ApprovalStatus, GuardStatus
from governance.approval import list_approvals
from governance.guard.attempt import Parts
from governance.guard.face import FreezeReport
from governance.guard.freeze import CURRENT, FROZEN, KIND
from governance.identity import Identity
from governance.ledger.port import Draft, Record

GRACE_S = 3.0
"""How long a running execution may take to end by itself; then it is stopped and its effect is unknown."""


async def freeze(parts: Parts, person: Identity, reason: str, grace_s: float = GRACE_S) -> FreezeReport:
    """No new effect from this moment; wait for running ones, then stop them."""
    started = parts.clock.monotonic()
    _set(parts, person, FROZEN, "freeze", reason)
    await parts.credentials.revoke_all(by=person.name, why=f"frozen: {reason or 'no reason given'}")
    running = dict(parts.in_flight)
    if running:
        await asyncio.wait(running.values(), timeout=grace_s)
    stopped = [key for key, task in running.items() if not task.done()]
    for key in stopped:
        running[key].cancel()
    if stopped:
        await asyncio.wait([running[key] for key in stopped], timeout=1.0)
    quiet_s = parts.clock.monotonic() - started
    with parts.ledger.transaction() as tx:
        content = {"event": "quiet", "seconds": round(quiet_s, 3), "stopped": list(stopped)}
        tx.append(Draft(kind="freeze", actor=person.name, content=content))
    return FreezeReport(status=status(parts), quiet_s=quiet_s, stopped=stopped)


def resume(parts: Parts, person: Identity, reason: str) -> GuardStatus:
    """Effects are possible again."""
    _set(parts, person, "open", "resume", reason)
    return status(parts)


def status(parts: Parts) -> GuardStatus:
    """How the door stands."""
    ledger = parts.ledger
    record = ledger.get(KIND, CURRENT)
    frozen = record is not None and record.status == FROZEN
    head = ledger.head()
    return GuardStatus(
        frozen=frozen,
        frozen_by=record.doc["by"] if record and frozen else "",
        frozen_at=datetime.fromisoformat(record.doc["at"]) if record and frozen else None,
        policy=parts.policy.pin,
        open_approvals=sum(a.status is ApprovalStatus.OPEN for a in list_approvals(ledger, ledger.now)),
        ledger_entries=head.seq + 1,
        ledger_head=head.hash,
        in_flight=len(parts.in_flight),
    )


def _set(parts: Parts, person: Identity, to: str, kind: str, reason: str) -> None:
    with parts.ledger.transaction() as tx:
        entry = tx.append(Draft(kind=kind, actor=person.name, content={"reason": reason}))
        doc = {"by": person.name, "at": tx.now.isoformat(), "reason": reason, "entry": entry.seq}
        tx.put(Record(kind=KIND, id=CURRENT, status=to, at=tx.now, doc=doc))
