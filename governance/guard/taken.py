"""A person took a change over: its agents stand back at once, whatever their own process still believes."""

from __future__ import annotations

from domain.action import Reason, Verdict
from governance.approval import close_unused
from governance.credentials.grants import live_grants
from governance.guard.attempt import Attempt, Parts, Refused
from governance.identity import Identity
from governance.ledger.port import Draft, Reader, Record, Transaction

KIND = "taken"
TAKEN = "taken"


def taken_words(reader: Reader, change: str) -> str:
    """Who took it and when, or empty."""
    record = reader.get(KIND, change)
    if record is None or record.status != TAKEN:
        return ""
    why = f": {record.doc['reason']}" if record.doc["reason"] else ""
    return f"{record.doc['by']} took {change} over at {record.doc['at']}{why}"


def refuse_taken(tx: Transaction, attempt: Attempt) -> None:
    """For the transaction that dispatches: a person may have been faster."""
    words = "" if attempt.unwinding else taken_words(tx, attempt.actor.change)
    if words:
        raise Refused(Reason(wrapper="plan", verdict=Verdict.DENY, text=words))


async def take(parts: Parts, person: Identity, change: str, reason: str) -> None:
    """From here on no agent's step of this change is dispatched; questions are withdrawn, credentials end."""
    with parts.ledger.transaction() as tx:
        _set(tx, person, change, TAKEN, reason)
        close_unused(tx, change, f"{person.name} took {change} over")
        held = [grant.accessor for grant in live_grants(tx) if grant.change == change]
    for accessor in held:
        await parts.credentials.revoke(accessor, by=person.name, why=f"{change} was taken over")


def give_back(parts: Parts, person: Identity, change: str, reason: str) -> None:
    """Agents may work on it again; their plans from before rest on an old state and stay withdrawn by their deadline."""
    with parts.ledger.transaction() as tx:
        _set(tx, person, change, "given_back", reason)


def _set(tx: Transaction, person: Identity, change: str, status: str, reason: str) -> None:
    tx.append(Draft(kind=status, actor=person.name, change=change, content={"reason": reason}))
    doc = {"by": person.name, "at": tx.now.isoformat(timespec="seconds"), "reason": reason}
    tx.put(Record(kind=KIND, id=change, change=change, status=status, at=tx.now, doc=doc))
