"""Ledger entries that holders of a token write themselves: who may write which, and what each of them sets off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.errors import AuthError
from domain.guard import LedgerEntry
from governance.approval import close_unused
from governance.guard.saga import close_injections
from governance.guard.trust import CLOSING, Trust
from governance.identity import Identity, Right
from governance.ledger.port import Draft, Ledger
from governance.reporting import SUSPICION

KINDS: dict[str, Right] = {
    "observation": Right.OBSERVE,
    "decision": Right.OBSERVE,
    CLOSING: Right.OBSERVE,
    SUSPICION: Right.OBSERVE,
    "commitment": Right.COMMIT,
    "opening": Right.COMMIT,
    "injection": Right.COMMIT,
    "restoration": Right.COMMIT,
    "gate": Right.ANSWER,
    "contract": Right.ANSWER,
    "contract drafted": Right.OBSERVE,
    "contract violated": Right.OBSERVE,
    "contract fulfilled": Right.OBSERVE,
    "rollout": Right.OBSERVE,
}
"""Kinds that holders of a token may write themselves, and the right it takes. All others only the guard writes."""


def right_to_write(kind: str, asking: Callable[[], Identity]) -> Right:
    """The right that an entry of this kind takes. Raises AuthError for a kind that only the guard writes, or nobody."""
    right = KINDS.get(kind)
    if right is None:
        raise AuthError(
            f"{asking().name} may not write entries of kind {kind[:40]!r}",
            expected=", ".join(KINDS),
            found=kind[:40],
            code="auth.forbidden",
        )
    return right


async def write_entry(
    ledger: Ledger, trust: Trust, who: Identity, kind: str, change: str, content: dict[str, Any]
) -> LedgerEntry:
    """Write it, with what it ends and what it makes trust suspicious of, in one transaction."""
    with ledger.transaction() as tx:
        if kind == "restoration":
            close_injections(tx, change)
        if kind == CLOSING:
            close_unused(tx, change, "the run has ended")
        entry = tx.append(Draft(kind=kind, actor=who.name, change=change, content=content))
        suspicions = trust.hear(tx, kind, change, content, entry.seq)
    await trust.charge(suspicions)
    return entry
