"""Seats: which agent sits at which tier, by grants that are ledger entries. Who was never granted one sits at T0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from domain.action import Tier
from domain.guard import LedgerEntry
from domain.inventory import Environment, Inventory
from governance.career import remember
from governance.ledger.port import Draft, Ledger, Reader, Record, Transaction
from governance.policy import Policy

KIND = "seat"
Kind: TypeAlias = Literal["grant", "promotion", "demotion"]
"""How a seat changed."""


def tier_of(reader: Reader, agent: str, policy: Policy) -> Tier:
    """The agent's tier under this policy; a grant under one policy says nothing about another."""
    record = reader.get(KIND, _seat_id(agent, policy))
    return Tier(record.status) if record else Tier.T0


def grant(tx: Transaction, *, agent: str, tier: Tier, policy: Policy, by: str, why: str) -> None:
    """Seat an agent and say so in the ledger, in one transaction."""
    reseat(tx, agent=agent, tier=tier, policy=policy, by=by, why=why, kind="grant")


def reseat(
    tx: Transaction,
    *,
    agent: str,
    tier: Tier,
    policy: Policy,
    by: str,
    why: str,
    kind: Kind,
    facts: Mapping[str, Any] | None = None,
) -> LedgerEntry:
    """Move an agent to a tier; the ledger entry says what kind of move it was, from where, and on what grounds."""
    before = tier_of(tx, agent, policy)
    content = {"agent": agent, "tier": tier.value, "from": before.value, "policy": policy.pin, "why": why}
    entry = tx.append(Draft(kind=kind, actor=by, content={**content, **(facts or {})}))
    remember(tx, agent, entry, f"{before.value} to {tier.value}: {why}")
    doc = {**content, "entry": entry.seq, "kind": kind}
    tx.put(Record(kind=KIND, id=_seat_id(agent, policy), status=tier.value, at=tx.now, doc=doc))
    return entry


def seated(reader: Reader, policy: Policy) -> dict[str, Tier]:
    """Every agent with a seat under this policy."""
    ending = f"@{policy.name}"
    found = [record for record in reader.find(KIND) if record.id.endswith(ending)]
    return {record.id.removesuffix(ending): Tier(record.status) for record in found}


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
