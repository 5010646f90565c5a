"""Budgets: every limit stops the one that would exceed it, for its own change, target and agent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.action import Tier
from domain.clock import ManualClock
from governance.budget import Spending, exhausted, spent
from governance.claims import Claim, ClaimState, Purpose
from governance.tiers import LIMITS
from tests.fakes.guard import RESTART, call

NOW = ManualClock().now()


def claim(n: int = 0, *, seconds_ago: float = 0, **more: Any) -> Claim:
    defaults: dict[str, Any] = {
        "key": str(n),
        "purpose": Purpose.APPLY,
        "state": ClaimState.CONFIRMED,
        "change": "inc-1",
        "plan": "p",
        "step": "s",
        "agent": "responder",
        "tier": Tier.T1,
        "call": RESTART,
        "kind": "api",
        "policy": "p@1",
        "fence": 1,
        "claimed_at": NOW - timedelta(seconds=seconds_ago),
        "entry": n,
    }
    return Claim(**{**defaults, **more})


def words(*claims: Claim, tier: Tier = Tier.T1) -> list[str]:
    return exhausted(
        Spending(tier=tier, agent="responder", change="inc-1", call=RESTART, now=NOW, claims=spent(list(claims)))
    )


def test_an_unused_budget_has_room() -> None:
    """Nothing spent, nothing exhausted; an observer has no budget at all."""
    assert words() == []
    assert len(words(tier=Tier.T0)) == 3


LIMIT = LIMITS[Tier.T1]


@pytest.mark.parametrize(
    ("claims", "what"),
    [
        ([claim(n, seconds_ago=900, call=call("x", f"t{n}")) for n in range(LIMIT.per_change)], "in change inc-1"),
        ([claim(n, seconds_ago=300, change=f"inc-{n + 2}") for n in range(LIMIT.per_target)], "of api within"),
        (
            [claim(n, change=f"inc-{n + 2}", call=call("x", f"t{n}")) for n in range(LIMIT.per_minute)],
            "within a minute",
        ),
        (
            [
                claim(n, seconds_ago=900, state=ClaimState.FAILED, call=call("x", f"t{n}"))
                for n in range(LIMIT.errors_total)
            ],
            "failed steps",
        ),
        (
            [claim(n, seconds_ago=900, state=ClaimState.FAILED) for n in range(LIMIT.errors_same)],
            "failures of restart_service on api",
        ),
    ],
)
def test_each_limit_stops_what_would_exceed_it(claims: list[Claim], what: str) -> None:
    """At the limit the budget is used up, one below it there is room."""
    assert any(what in text for text in words(*claims))
    assert not any(what in text for text in words(*claims[1:]))


def test_only_what_was_dispatched_counts() -> None:
    """Claims that never left, and compensations, cost nothing."""
    free = [claim(state=ClaimState.CLAIMED), claim(purpose=Purpose.COMPENSATE)]
    assert spent(free) == []
    assert len(spent([claim(state=ClaimState.UNKNOWN)])) == 1
