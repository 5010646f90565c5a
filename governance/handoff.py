"""What a revoked agent leaves behind, for whoever goes on: what it had judged, what it changed, what is not known."""

from __future__ import annotations

from domain.action import ActionCall
from domain.value import Value, digest
from governance.career import remember
from governance.claims import Claim, ClaimState, Purpose, find_claims
from governance.ledger.port import Draft, Reader, Record, Transaction

KIND = "handoff"


class Left(Value):
    """One effect of the agent."""

    plan: str
    step: str
    call: ActionCall
    state: str
    undo: ActionCall | None = None
    entry: int


class Handoff(Value):
    """Everything of one agent that is not over."""

    agent: str
    why: str
    changes: list[str]
    applied: list[Left]
    """Confirmed and not taken back, the latest first."""
    unknown: list[Left]
    """Dispatched, and nobody knows what became of it."""
    waiting: list[Left]
    """Claimed and never dispatched."""
    entry: int = -1


def write_handoff(tx: Transaction, agent: str, why: str) -> Handoff:
    """Collect and record it; the ledger has the digest of the body."""
    found = collect(tx, agent, why)
    change = found.changes[0] if found.changes else ""
    content = {"agent": agent, "why": why, "digest": digest(found), "changes": list(found.changes)}
    entry = tx.append(Draft(kind=KIND, actor="guard", change=change, content=content))
    remember(tx, agent, entry, f"handed over: {len(found.applied)} applied, {len(found.unknown)} unknown")
    written = found.model_copy(update={"entry": entry.seq})
    tx.put(Record(kind=KIND, id=agent, change=change, at=tx.now, doc=written.model_dump(mode="json")))
    return written


def handoff_of(reader: Reader, agent: str) -> Handoff | None:
    """The newest handoff of an agent, or None."""
    record = reader.get(KIND, agent)
    return Handoff.model_validate(record.doc) if record else None


def collect(reader: Reader, agent: str, why: str) -> Handoff:
    """What of this agent is not over."""
    mine = [c for c in find_claims(reader) if c.agent == agent and c.purpose is Purpose.APPLY]
    applied = [c for c in mine if c.lasting and not c.compensated]
    unknown = [c for c in mine if c.state in {ClaimState.DISPATCHED, ClaimState.UNKNOWN}]
    waiting = [c for c in mine if c.state is ClaimState.CLAIMED]
    changes = list(dict.fromkeys(c.change for c in [*unknown, *waiting, *applied]))
    return Handoff(
        agent=agent,
        why=why,
        changes=changes,
        applied=[_left(c) for c in applied],
        unknown=[_left(c) for c in unknown],
        waiting=[_left(c) for c in waiting],
    )


def _left(claim: Claim) -> Left:
    return Left(
        plan=claim.plan, step=claim.step, call=claim.call, state=claim.state.value, undo=claim.undo, entry=claim.entry
    )
