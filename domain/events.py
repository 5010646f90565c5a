"""Past-tense facts on the live stream, and what other systems are told about them (CloudEvents 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from domain.guard import LedgerEntry
from domain.value import UtcTime, Value

PREFIX = "dev.firebreak."


class Event(Value):
    """One fact, as the live page, webhooks and the bus see it."""

    id: str
    type: str
    """`dev.firebreak.incident.opened` … the last two words are entity and past-tense verb."""
    subject: str
    """Incident id, drill id, approval id."""
    time: UtcTime
    data: dict[str, Any] = {}


class Integration(StrEnum):
    """Names that other systems build on."""

    PLAN_CREATED = "plan_created"
    EXECUTION_STARTED = "execution_started"
    EXECUTION_COMPLETE = "execution_complete"
    VIOLATION_DETECTED = "violation_detected"
    PROMOTION_REQUESTED = "promotion_requested"
    PROMOTION_APPROVED = "promotion_approved"
    AGENT_REVOKED = "agent_revoked"
    APPROVAL_REQUIRED = "approval_required"
    HEARTBEAT = "heartbeat"
    CONTRACT_DRAFTED = "contract_drafted"
    CONTRACT_APPROVED = "contract_approved"
    CONTRACT_REJECTED = "contract_rejected"
    CONTRACT_VIOLATED = "contract_violated"
    CONTRACT_FULFILLED = "contract_fulfilled"

    @property
    def type(self) -> str:
        """Its CloudEvents type."""
        return PREFIX + self.value


INTEGRATIONS: frozenset[str] = frozenset(name.type for name in Integration)

_BY_KIND: Mapping[str, Integration] = {
    "judgement": Integration.PLAN_CREATED,
    "intent": Integration.EXECUTION_STARTED,
    "effect": Integration.EXECUTION_COMPLETE,
    "compensation": Integration.EXECUTION_COMPLETE,
    "violation": Integration.VIOLATION_DETECTED,
    "revocation": Integration.AGENT_REVOKED,
    "approval opened": Integration.APPROVAL_REQUIRED,
    "promotion requested": Integration.PROMOTION_REQUESTED,
    "promotion": Integration.PROMOTION_APPROVED,
    "contract drafted": Integration.CONTRACT_DRAFTED,
    "contract approved": Integration.CONTRACT_APPROVED,
    "contract rejected": Integration.CONTRACT_REJECTED,
    "contract violated": Integration.CONTRACT_VIOLATED,
    "contract fulfilled": Integration.CONTRACT_FULFILLED,
}
"""Kind of a ledger entry, with its `event` where it has one → what is told."""
_TOLD = (
    *("plan", "step", "approval", "agent", "tier", "environment", "outcome", "summary", "type", "severity", "event"),
    *("violation", "gravity", "cause", "charged", "consequence"),
)
"""Fields of an entry that leave the house; everything else stays a reference to the entry."""


def integration_event(entry: LedgerEntry) -> Event | None:
    """What other systems are told about a ledger entry, if anything: facts by name, the rest by reference."""
    name = _BY_KIND.get(f"{entry.kind} {entry.content.get('event', '')}".strip()) or _BY_KIND.get(entry.kind)
    if name is None:
        return None
    data: dict[str, Any] = {key: entry.content[key] for key in _TOLD if key in entry.content}
    if isinstance(entry.content.get("call"), dict):
        call: dict[str, Any] = entry.content["call"]
        data |= {"action": call.get("action"), "target": call.get("target")}
    data |= {"ledger": entry.seq, "hash": entry.hash, "actor": entry.actor}
    return Event(id=f"L{entry.seq}", type=name.type, subject=entry.change or entry.actor, time=entry.at, data=data)
