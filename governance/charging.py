"""From a suspicion to a charge or to a recovery: attributed first, written either way, followed by its consequence."""

from __future__ import annotations

from datetime import timedelta

from domain.action import Tier
from domain.errors import ConflictError, NotFoundError
from domain.value import UtcTime, Value, new_id
from governance.attribution import Cause, Suspicion, attribute
from governance.career import remember
from governance.conditions import standing_now
from governance.ledger.port import Draft, Reader, Record, Transaction
from governance.policy import Policy
from governance.revocation import reinstate, revocation, revoke
from governance.seats import reseat, tier_of
from governance.violations import Consequence, Gravity, Violation

KIND = "violation"
CHARGED = "charged"
NOT_CHARGED = "not_charged"
WINDOW_S = 30 * 86_400.0
"""Seconds for which a charge counts: against a second warning, and against promotion."""


class Charge(Value):
    """What came of one suspicion."""

    id: str
    violation: Violation
    gravity: Gravity
    agent: str
    change: str
    what: str
    cause: Cause
    evidence: str
    """Why the cause is believed."""
    charged: bool
    consequence: str
    """`revoked`, `warned`, `recovering` when it is not charged, `overturned` by a person."""
    tier_before: Tier
    tier: Tier
    """Where the agent sits afterwards."""
    at: UtcTime
    entry: int
    """Sequence number of the ledger's `violation`."""


def charge(tx: Transaction, suspicion: Suspicion, policy: Policy) -> Charge:
    """Attribute, write, and draw the consequence, in one transaction."""
    found = attribute(suspicion, standing_now(tx), tx.now)
    charged = found.cause is Cause.AGENT
    gravity, before = suspicion.violation.gravity, tier_of(tx, suspicion.agent, policy)
    revoking = charged and _revokes(tx, suspicion)
    consequence = ("revoked" if revoking else "warned") if charged else "recovering"
    facts = {
        "violation": suspicion.violation.value,
        "gravity": gravity.value,
        "agent": suspicion.agent,
        "change": suspicion.change,
        "what": suspicion.what[:500],
        "cause": found.cause.value,
        "evidence": found.evidence,
        "charged": charged,
        "consequence": consequence,
    }
    entry = tx.append(Draft(kind="violation", actor="guard", change=suspicion.change, content=facts))
    word = "charged" if charged else f"not charged ({found.cause.value}: {found.evidence})"
    remember(tx, suspicion.agent, entry, f"{suspicion.violation.value} {word}: {suspicion.what}")
    if revoking:
        _revoke(tx, suspicion, policy, entry.seq)
    made = Charge.model_validate(
        {
            "id": new_id("vio"),
            **facts,
            "tier_before": before,
            "tier": tier_of(tx, suspicion.agent, policy),
            "at": tx.now,
            "entry": entry.seq,
        }
    )
    save_charge(tx, made)
    return made


def save_charge(tx: Transaction, made: Charge) -> None:
    """Create or replace a charge in this transaction."""
    status = CHARGED if made.charged else NOT_CHARGED
    doc = made.model_dump(mode="json")
    tx.put(Record(kind=KIND, id=made.id, change=made.change, status=status, at=made.at, doc=doc))


def charges(reader: Reader, agent: str = "", *, charged_only: bool = False) -> list[Charge]:
    """Charges and recoveries, newest first."""
    records = reader.find(KIND, status=CHARGED if charged_only else None)
    found = [Charge.model_validate(record.doc) for record in records]
    return sorted((c for c in found if agent in {"", c.agent}), key=lambda c: c.entry, reverse=True)


def recent_charges(reader: Reader, agent: str) -> list[Charge]:
    """What still counts against the agent."""
    since = reader.now - timedelta(seconds=WINDOW_S)
    return [c for c in charges(reader, agent, charged_only=True) if c.at >= since]


def overturn(tx: Transaction, charge_id: str, *, policy: Policy, by: str, why: str) -> Charge:
    """A person finds that the agent did not cause it. Raises NotFoundError, ConflictError."""
    record = tx.get(KIND, charge_id)
    if record is None:
        raise NotFoundError("there is no such charge", expected="the id of one", found=charge_id[:80])
    old = Charge.model_validate(record.doc)
    if not old.charged:
        raise ConflictError("there is nothing to overturn", expected="a charge", found=old.consequence)
    content = {
        "violation": old.violation.value,
        "agent": old.agent,
        "charge": old.id,
        "why": why,
        "overturns": old.entry,
    }
    entry = tx.append(Draft(kind="overturned", actor=by, change=old.change, content=content))
    remember(tx, old.agent, entry, f"{old.violation.value} overturned: {why}")
    facts = {"charged": False, "consequence": "overturned", "cause": Cause.HUMAN, "evidence": f"{by}: {why}"[:500]}
    new = old.model_copy(update=facts)
    save_charge(tx, new)
    standing = revocation(tx, old.agent)
    if standing is not None and standing.doc["because"] == old.entry:
        reinstate(tx, agent=old.agent, by=by, why=why)
    if tier_of(tx, old.agent, policy) is old.tier and old.tier is not old.tier_before:
        reseat(tx, agent=old.agent, tier=old.tier_before, policy=policy, by=by, why=why, kind="grant")
    return new


def _revokes(tx: Transaction, suspicion: Suspicion) -> bool:
    match suspicion.violation.gravity.consequence:
        case Consequence.REVOKE_AND_ALERT | Consequence.REVOKE:
            return True
        case Consequence.SECOND_REVOKES:
            medium = [c for c in recent_charges(tx, suspicion.agent) if c.gravity is Gravity.MEDIUM]
            return bool(medium)
        case _:
            return False


def _revoke(tx: Transaction, suspicion: Suspicion, policy: Policy, entry: int) -> None:
    """Credential first; then the seat: to T0 on a critical charge, one tier down otherwise."""
    violation, agent = suspicion.violation, suspicion.agent
    why = f"{violation.value}: {suspicion.what}"[:300]
    revoke(tx, agent=agent, by="guard", why=why, change=suspicion.change, entry=entry)
    now = tier_of(tx, agent, policy)
    then = Tier.T0 if violation.gravity is Gravity.CRITICAL else now.below
    if then is not now:
        reseat(tx, agent=agent, tier=then, policy=policy, by="guard", why=why, kind="demotion")
