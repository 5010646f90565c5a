"""Seats: which agent sits at which tier, by grants that are ledger entries. Who was never granted one sits at T0."""

from __future__ import annotations

from domain.action import Tier
from domain.inventory import Environment, Inventory
from governance.ledger.port import Draft, Ledger, Reader, Record, Transaction
from governance.policy import Policy

KIND = "seat"


def tier_of(reader: Reader, agent: str, policy: Policy) -> Tier:
    """The agent's tier under this policy; a grant under one policy says nothing about another."""
    record = reader.get(KIND, _seat_id(agent, policy))
    return Tier(record.status) if record else Tier.T0


def grant(tx: Transaction, *, agent: str, tier: Tier, policy: Policy, by: str, why: str) -> None:
    """Seat an agent and say so in the ledger, in one transaction."""
    content = {"agent": agent, "tier": tier.value, "policy": policy.pin, "why": why}
    entry = tx.append(Draft(kind="grant", actor=by, content=content))
    tx.put(
        Record(kind=KIND, id=_seat_id(agent, policy), status=tier.value, at=tx.now, doc={**content, "entry": entry.seq})
    )


def seat_fresh_sandbox(ledger: Ledger, inventory: Inventory, policy: Policy, by: str = "operator") -> list[str]:
    """The operator's grants on a home that has only sandbox targets. Existing seats are kept. Returns who was seated."""
    if any(service.environment is not Environment.SANDBOX for service in inventory.services):
        return []
    fresh = [agent for agent in policy.document.seats if ledger.get(KIND, _seat_id(agent, policy)) is None]
    with ledger.transaction() as tx:
        for agent in fresh:
            tier = policy.document.seats[agent]
            why = "fresh sandbox home: every target of the inventory is a sandbox"
            grant(tx, agent=agent, tier=tier, policy=policy, by=by, why=why)
    return fresh


def _seat_id(agent: str, policy: Policy) -> str:
    return f"{agent}@{policy.name}"
