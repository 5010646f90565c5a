"""One change of a target at a time, with a fencing token that only grows."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta

from domain.action import Reason, Verdict
from governance.attribution import Cause, Excuse
from governance.claims import Purpose
from governance.guard.attempt import Attempt, Door, Parts, Refused, Wrapper
from governance.ledger.port import Record, Transaction
from governance.violations import Violation

KIND = "lock"
TTL_S = 60.0
"""A claim that was not dispatched by then has lost its lock."""
WAIT_S = 120.0
"""How long a change waits for another one of the same target."""


class Lock(Wrapper):
    """The token is compared again in the dispatch's transaction: who slept through a takeover is refused."""

    name = "lock"

    def __init__(self, inner: Door, parts: Parts) -> None:
        super().__init__(inner, parts)
        self._targets: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def carry_out(self, attempt: Attempt) -> None:
        lock = self._targets[attempt.call.target]
        try:
            async with asyncio.timeout(WAIT_S):
                await lock.acquire()
        except TimeoutError as error:
            text = f"another change of {attempt.call.target} did not end within {WAIT_S:.0f} s"
            raise Refused(Reason(wrapper=self.name, verdict=Verdict.DENY, text=text)) from error
        try:
            with self.parts.ledger.transaction() as tx:
                _take(tx, attempt)
            attempt.on_dispatch.append(lambda tx: _check(tx, attempt))
            await self.inner.carry_out(attempt)
        finally:
            lock.release()


def release_locks(tx: Transaction, agent: str) -> list[str]:
    """Take every lock from an agent; its tokens are stale from here on. Compensations keep theirs. Returns the targets."""
    held = [record for record in tx.find(KIND, status="held") if record.doc.get("agent") == agent]
    for record in held:
        doc = {**record.doc, "fence": tx.next_number("fence"), "agent": ""}
        tx.put(Record(kind=KIND, id=record.id, change=record.change, status="released", at=tx.now, doc=doc))
    return sorted(record.id for record in held)


def _holder(attempt: Attempt) -> str:
    return "" if attempt.purpose is Purpose.COMPENSATE else attempt.actor.agent


def _take(tx: Transaction, attempt: Attempt) -> None:
    attempt.fence = tx.next_number("fence")
    expires = tx.now + timedelta(seconds=TTL_S)
    doc = {"fence": attempt.fence, "claim": attempt.key, "expires_at": expires.isoformat(), "agent": _holder(attempt)}
    tx.put(Record(kind=KIND, id=attempt.call.target, change=attempt.actor.change, status="held", at=tx.now, doc=doc))


def _check(tx: Transaction, attempt: Attempt) -> None:
    held = tx.get(KIND, attempt.call.target)
    found = int(held.doc["fence"]) if held else 0
    expired = held is None or tx.now >= datetime.fromisoformat(held.doc["expires_at"])
    if found != attempt.fence or expired:
        text = f"the lock on {attempt.call.target} was lost: held token {attempt.fence}, newest is {found}"
        how = "it ran out while the guard itself was held up" if expired else "another holder took it over"
        attempt.suspect(Violation.LOCK_EXPIRED, text, Excuse(cause=Cause.INFRASTRUCTURE, evidence=how))
        raise Refused(Reason(wrapper=Lock.name, verdict=Verdict.DENY, text=text))
