"""What a contract answers to Flagger's webhooks (https://docs.flagger.app/usage/webhooks). Pure.

A yes is HTTP 200, and it means "go on", except at `rollback`, where it means "take it back": what is not certain is a no at
every one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from domain.contract import Contract, ContractStatus

S = ContractStatus


class Hook(StrEnum):
    """Types of webhooks, as a Canary names them."""

    CONFIRM_ROLLOUT = "confirm-rollout"
    PRE_ROLLOUT = "pre-rollout"
    ROLLOUT = "rollout"
    CONFIRM_TRAFFIC_INCREASE = "confirm-traffic-increase"
    CONFIRM_PROMOTION = "confirm-promotion"
    POST_ROLLOUT = "post-rollout"
    ROLLBACK = "rollback"

    @property
    def forward(self) -> bool:
        """Whether a yes brings the release to more people."""
        return self not in (Hook.POST_ROLLOUT, Hook.ROLLBACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Yes or no, and what the contract is from then on."""

    yes: bool
    reason: str
    becomes: ContractStatus | None = None


_OVER = frozenset({S.VIOLATED, S.ROLLED_BACK, S.REJECTED, S.EXPIRED})
_ENDINGS = {"Succeeded": S.FULFILLED, "Failed": S.ROLLED_BACK}
"""Phase of a Canary that has ended → how its contract ended."""
_URGENCY = (S.DEPLOYED, S.VIOLATED, S.APPROVED)


def answer(hook: Hook, contract: Contract, phase: str = "") -> Answer:
    """`phase`: the Canary's, as Flagger sends it."""
    status, said = contract.status, f"contract {contract.id} is {contract.status.value}"
    if hook is Hook.ROLLBACK:
        return Answer(yes=status in _OVER, reason=said)
    if hook is Hook.POST_ROLLOUT:
        ended = _ENDINGS.get(phase)
        return Answer(yes=True, reason=said, becomes=ended if ended in status.next else None)
    if hook is Hook.CONFIRM_ROLLOUT:
        return Answer(yes=status in (S.APPROVED, S.DEPLOYED), reason=said)
    return Answer(
        yes=status in (S.APPROVED, S.DEPLOYED), reason=said, becomes=S.DEPLOYED if status is S.APPROVED else None
    )


def chosen(contracts: Iterable[Contract], *, service: str, contract: str = "", version: str = "") -> Contract | None:
    """Whose word counts, of contracts newest first: the one named, else the service's that goes out, else its approved one."""
    known = [c for c in contracts if c.service == service and contract in ("", c.id)]
    known = [c for c in known if not version or version in (c.version, c.head)]
    return min(known, key=lambda c: _URGENCY.index(c.status) if c.status in _URGENCY else len(_URGENCY), default=None)
