"""Claims: who took on which effect, and how far it came. The reason that no effect happens twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import Any

from domain.action import ActionCall, Tier
from domain.guard import Receipt
from domain.value import UtcTime, Value, digest
from governance.ledger.port import Reader, Record, Transaction

KIND = "claim"


class Purpose(StrEnum):
    """Why a step is looked at."""

    JUDGE = "judge"
    APPLY = "apply"
    COMPENSATE = "compensate"


class ClaimState(StrEnum):
    """How far an effect came."""

    CLAIMED = "claimed"
    """Taken on; nothing left this process yet."""
    DISPATCHED = "dispatched"
    """Sent; from here on only a read-back may tell."""
    CONFIRMED = "confirmed"
    UNKNOWN = "unknown"
    FAILED = "failed"

    @property
    def settled(self) -> bool:
        """The receipt is final."""
        return self in {ClaimState.CONFIRMED, ClaimState.FAILED}

    @property
    def dispatched(self) -> bool:
        """The effect may be in the world."""
        return self is not ClaimState.CLAIMED


class Claim(Value):
    """One effect taken on."""

    key: str
    """Idempotency key: change, plan, step, arguments and purpose."""
    purpose: Purpose
    state: ClaimState
    change: str
    plan: str
    step: str
    agent: str
    tier: Tier
    call: ActionCall
    kind: str
    """Inventory kind of the target."""
    policy: str
    fence: int
    """Fencing token of the lock it was claimed under."""
    approval: str = ""
    claimed_at: UtcTime
    entry: int
    """Sequence number of the ledger's `attempt`."""
    pre_state: dict[str, Any] = {}
    """Declared fields of the target before the deed."""
    undo: ActionCall | None = None
    """As planned until the executor captured the real one."""
    compensated: bool = False
    compensates: str = ""
    """Key of the claim that this one takes back."""
    witness: list[str] = []
    """Names of the declared fields; an undo is verified on these."""
    receipt: Receipt | None = None

    @property
    def lasting(self) -> bool:
        """Whether it left something: it was confirmed, or it failed half-way and its undo was kept."""
        return self.state is ClaimState.CONFIRMED or (self.state is ClaimState.FAILED and self.undo is not None)


def claim_key(*, change: str, plan: str, revision: int, step: str, call: ActionCall, purpose: Purpose) -> str:
    """The idempotency key of one effect."""
    parts: dict[str, Any] = {
        "change": change,
        "plan": plan,
        "revision": revision,
        "step": step,
        "purpose": purpose.value,
    }
    return digest({**parts, "call": call.model_dump(mode="json")})


def load_claim(reader: Reader, key: str) -> Claim | None:
    """The claim with that key, or None."""
    record = reader.get(KIND, key)
    return None if record is None else Claim.model_validate(record.doc)


def save_claim(tx: Transaction, claim: Claim) -> None:
    """Create or replace a claim in this transaction."""
    tx.put(
        Record(
            kind=KIND,
            id=claim.key,
            change=claim.change,
            status=claim.state.value,
            at=claim.claimed_at,
            doc=claim.model_dump(mode="json"),
        )
    )


def find_claims(
    reader: Reader, *, change: str | None = None, state: ClaimState | None = None, since: datetime | None = None
) -> list[Claim]:
    """Matching claims, the latest attempt first."""
    found = reader.find(KIND, change=change, status=state.value if state else None, since=since)
    return sorted((Claim.model_validate(r.doc) for r in found), key=lambda claim: claim.entry, reverse=True)


def recent_effects(reader: Reader, now: datetime, seconds: float) -> list[Claim]:
    """What was dispatched within the last seconds."""
    since = now - timedelta(seconds=seconds)
    return [claim for claim in find_claims(reader, since=since) if claim.state.dispatched]


def applied_claim(reader: Reader, plan: str, step: str, change: str) -> Claim | None:
    """The newest applied claim of a step."""
    for claim in find_claims(reader, change=change):
        if claim.purpose is Purpose.APPLY and claim.plan == plan and claim.step == step:
            return claim
    return None


def unresolved(reader: Reader) -> list[Claim]:
    """Dispatched or unknown: their effect must be looked for."""
    return [*find_claims(reader, state=ClaimState.DISPATCHED), *find_claims(reader, state=ClaimState.UNKNOWN)]


def compensable(reader: Reader, change: str | None = None) -> list[Claim]:
    """What left something and was not yet taken back, with a recorded undo; the latest first."""
    settled = (find_claims(reader, change=change, state=state) for state in (ClaimState.CONFIRMED, ClaimState.FAILED))
    left = (
        claim
        for claim in chain.from_iterable(settled)
        if claim.purpose is Purpose.APPLY and claim.lasting and claim.undo is not None and not claim.compensated
    )
    return sorted(left, key=lambda claim: claim.entry, reverse=True)
