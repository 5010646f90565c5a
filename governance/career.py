"""An agent's history: every grant, promotion, demotion, charge, revocation and reinstatement, findable by agent."""

from __future__ import annotations

from domain.agents import Turn
from domain.guard import LedgerEntry
from governance.ledger.port import Reader, Record, Transaction

KIND = "career"


def remember(tx: Transaction, agent: str, entry: LedgerEntry, text: str) -> None:
    """Make a ledger entry findable by agent, in the same transaction."""
    turn = Turn(entry=entry.seq, at=tx.now, kind=entry.kind, by=entry.actor, change=entry.change, text=text[:300])
    doc = turn.model_dump(mode="json")
    tx.put(Record(kind=KIND, id=f"{agent}/{entry.seq}", status=agent, at=tx.now, doc=doc))


def career(reader: Reader, agent: str) -> list[Turn]:
    """Everything, newest first."""
    found = [Turn.model_validate(record.doc) for record in reader.find(KIND, status=agent)]
    return sorted(found, key=lambda turn: turn.entry, reverse=True)


def known(reader: Reader) -> set[str]:
    """Every agent that has a history."""
    return {record.status for record in reader.find(KIND)}
