"""Who is revoked: an agent that may change nothing until a person gives it back. The credential goes first, then the work."""

from __future__ import annotations

from datetime import datetime

from governance.attribution import Cause
from governance.career import remember
from governance.credentials.grants import Standing, end_grants, live_grants
from governance.ledger.port import Draft, Reader, Record, Transaction

KIND = "revocation"
REVOKED = "revoked"
LIFTED = "lifted"


def revocation(reader: Reader, agent: str) -> Record | None:
    """The revocation in force, or None. An injected one ends by itself, should nobody lift it."""
    record = reader.get(KIND, agent)
    if record is None or record.status != REVOKED:
        return None
    until = record.doc["until"]
    return None if until and reader.now >= datetime.fromisoformat(until) else record


def words(record: Record) -> str:
    """A revocation in words."""
    return f"{record.id} was revoked by {record.doc['by']} at {record.doc['at'][:19]}: {record.doc['why']}"


def revoke(
    tx: Transaction,
    *,
    agent: str,
    by: str,
    why: str,
    change: str = "",
    cause: Cause = Cause.AGENT,
    entry: int = -1,
    until: str = "",
) -> bool:
    """Revoke in this transaction. False when it is revoked already. `entry` is the ledger's reason for it.

    What was only injected (`until` says when it ends) does not shield from a revocation in earnest.
    """
    standing = revocation(tx, agent)
    if standing is not None and (cause is Cause.INJECTED or standing.doc["cause"] != Cause.INJECTED):
        return False
    held = [grant.accessor for grant in live_grants(tx, agent)]
    end_grants(tx, held, Standing.REVOKED, by=by, why=f"{agent} was revoked")
    content = {"agent": agent, "why": why, "cause": cause.value, "because": entry, "until": until}
    written = tx.append(Draft(kind="revocation", actor=by, change=change, content=content))
    remember(tx, agent, written, why)
    doc = {**content, "by": by, "at": tx.now.isoformat(), "entry": written.seq, "told": False}
    tx.put(Record(kind=KIND, id=agent, change=change, status=REVOKED, at=tx.now, doc=doc))
    return True


def tell(tx: Transaction, agent: str) -> None:
    """The agent has now been told; from here on it knows."""
    record = revocation(tx, agent)
    if record is not None and not record.doc["told"]:
        tx.put(Record(kind=KIND, id=agent, status=REVOKED, at=record.at, doc={**record.doc, "told": True}))


def reinstate(tx: Transaction, *, agent: str, by: str, why: str, cause: Cause | None = None) -> bool:
    """Give an agent back its right to act. False when it is not revoked, or for another cause than the one named."""
    record = revocation(tx, agent)
    if record is None or cause not in {None, Cause(record.doc["cause"])}:
        return False
    content = {"agent": agent, "why": why, "ends": record.doc["entry"]}
    remember(tx, agent, tx.append(Draft(kind="reinstatement", actor=by, content=content)), why)
    tx.put(Record(kind=KIND, id=agent, status=LIFTED, at=tx.now, doc={**record.doc, "lifted_by": by}))
    return True
