"""One change of a target at a time, with a fencing token that only grows; and an agent's own token, which must be the newest."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from domain.action import Reason, Verdict
from domain.errors import LedgerError
from governance.attribution import Cause, Excuse
from governance.claims import Purpose
from governance.guard.attempt import Attempt, Door, Parts, Refused, Wrapper
from governance.ledger.port import Reader, Record, Transaction
from governance.violations import Violation

KIND = "lock"
AGENT_FENCE = "agent_fence"
"""Kind of the record that keeps the newest token an agent showed for a change."""
TOLD_KEPT = 20
"""How many stale tokens of a change are remembered as told."""
TTL_S = 60.0
"""A claim that was not dispatched by then has lost its lock. Never longer than a heartbeat's life."""
RENEW_S = 20.0
"""How often a lock is renewed while its change runs, in real seconds."""
WAIT_S = 120.0
"""How long a change waits for another one of the same target."""


class Lock(Wrapper):
    """Tokens are compared in the claim's and the dispatch's transactions: who slept through a takeover is refused."""

    name = "lock"

    def __init__(self, inner: Door, parts: Parts) -> None:
        super().__init__(inner, parts)
        self._targets: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def look(self, attempt: Attempt) -> None:
        if words := overtaken(attempt, self.parts.ledger):
            attempt.say(self.name, Verdict.DENY, words)

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
            attempt.on_claim.append(lambda tx: _newest(tx, attempt))
            attempt.on_dispatch.append(lambda tx: _check(tx, attempt))
            async with self._renewed(attempt):
                await self.inner.carry_out(attempt)
        finally:
            lock.release()

    @asynccontextmanager
    async def _renewed(self, attempt: Attempt) -> AsyncGenerator[None]:
        keeper = asyncio.create_task(self._renew(attempt))
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])

    async def _renew(self, attempt: Attempt) -> None:
        """Until the change ends. A ledger that cannot be written now is tried again; the token decides, not the clock."""
        while True:
            await asyncio.sleep(RENEW_S)
            with suppress(LedgerError), self.parts.ledger.transaction() as tx:
                if _lost(tx, attempt):
                    return
                _hold(tx, attempt)


def overtaken(attempt: Attempt, reader: Reader) -> str:
    """Why the agent may not act for this change any more, or empty. What takes something back may come without a token."""
    record = reader.get(AGENT_FENCE, attempt.actor.change)
    newest = int(record.doc["token"]) if record else 0
    token = attempt.actor.fence
    free = attempt.unwinding or (token == 0 and attempt.purpose is Purpose.COMPENSATE)
    if free or token >= newest:
        return ""
    return f"another runner took {attempt.actor.change} over: the agent's token is {token}, newest is {newest}"


def _newest(tx: Transaction, attempt: Attempt) -> None:
    """Refuse a stale agent, remember a newer one: before it takes the target, and in the claim's transaction.

    Who slept through a takeover cannot know it; using the stale token again after having been told is charged.
    """
    if words := overtaken(attempt, tx):
        attempt.say(Lock.name, Verdict.DENY, words)
        if attempt.actor.fence in _told(tx, attempt.actor.change):
            attempt.suspect(Violation.LOCK_EXPIRED, f"{words}, and it had been told so", told=True)
        raise Refused
    actor = attempt.actor
    if actor.fence:
        doc = {"token": actor.fence, "agent": actor.agent, "told": _told(tx, actor.change)}
        tx.put(Record(kind=AGENT_FENCE, id=actor.change, change=actor.change, at=tx.now, doc=doc))


def tell_overtaken(tx: Transaction, attempt: Attempt) -> None:
    """The agent hears from this refusal that its token is stale; from here on it knows."""
    change, token = attempt.actor.change, attempt.actor.fence
    record, told = tx.get(AGENT_FENCE, change), _told(tx, change)
    refused_by_lock = any(reason.wrapper == Lock.name for reason in attempt.denials())
    if record is None or not refused_by_lock or token in told:
        return
    doc = {**record.doc, "told": [*told, token][-TOLD_KEPT:]}
    tx.put(Record(kind=AGENT_FENCE, id=change, change=change, at=record.at, doc=doc))


def _told(reader: Reader, change: str) -> list[int]:
    """Stale tokens whose bearers were told."""
    record = reader.get(AGENT_FENCE, change)
    return [] if record is None else list(record.doc.get("told", []))


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
    _newest(tx, attempt)
    attempt.fence = tx.next_number("fence")
    _hold(tx, attempt)


def _hold(tx: Transaction, attempt: Attempt) -> None:
    expires = tx.now + timedelta(seconds=TTL_S)
    doc = {"fence": attempt.fence, "claim": attempt.key, "expires_at": expires.isoformat(), "agent": _holder(attempt)}
    tx.put(Record(kind=KIND, id=attempt.call.target, change=attempt.actor.change, status="held", at=tx.now, doc=doc))


def _lost(reader: Reader, attempt: Attempt) -> bool:
    held = reader.get(KIND, attempt.call.target)
    return held is None or int(held.doc["fence"]) != attempt.fence


def _check(tx: Transaction, attempt: Attempt) -> None:
    held = tx.get(KIND, attempt.call.target)
    found = int(held.doc["fence"]) if held else 0
    expired = held is None or tx.now >= datetime.fromisoformat(held.doc["expires_at"])
    if found != attempt.fence or expired:
        text = f"the lock on {attempt.call.target} was lost: held token {attempt.fence}, newest is {found}"
        how = "it ran out while the guard itself was held up" if expired else "another holder took it over"
        attempt.suspect(Violation.LOCK_EXPIRED, text, Excuse(cause=Cause.INFRASTRUCTURE, evidence=how))
        raise Refused(Reason(wrapper=Lock.name, verdict=Verdict.DENY, text=text))
