"""Mutation, rate and error budgets: pure arithmetic over claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.action import ActionCall, Tier
from governance.claims import Claim, ClaimState, Purpose
from governance.tiers import LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Who wants to change what, and what was spent before."""

    tier: Tier
    agent: str
    change: str
    call: ActionCall
    now: datetime
    claims: Sequence[Claim]
    """Dispatched applications: those of this change and those within the target window."""
    excused: frozenset[str] = frozenset()
    """Keys of failed claims that something else than the agent explains."""


def exhausted(spending: Spending) -> list[str]:
    """Every budget that leaves no room for one more, in words; empty when there is room."""
    return [*mutations(spending), *errors(spending)]


def mutations(spending: Spending) -> list[str]:
    """Budgets of changes and of their rate that are used up."""
    limits = LIMITS[spending.tier]
    mine = [c for c in spending.claims if c.change == spending.change]
    on_target = _since(spending, limits.target_window_s)
    same_target = [c for c in on_target if c.call.target == spending.call.target]
    last_minute = [c for c in _since(spending, 60) if c.agent == spending.agent]
    target = spending.call.target
    rows = [
        (len(mine), limits.per_change, f"mutations in change {spending.change}"),
        (len(same_target), limits.per_target, f"mutations of {target} within {limits.target_window_s} s"),
        (len(last_minute), limits.per_minute, f"mutations by {spending.agent} within a minute"),
    ]
    return _used_up(rows)


def errors(spending: Spending) -> list[str]:
    """Error budgets that are used up. A failure that was injected is not the agent's error."""
    limits, call = LIMITS[spending.tier], spending.call
    failed = [
        c
        for c in spending.claims
        if c.change == spending.change and c.state is ClaimState.FAILED and c.key not in spending.excused
    ]
    same = [c for c in failed if (c.call.action, c.call.target) == (call.action, call.target)]
    rows = [
        (len(failed), limits.errors_total, f"failed steps in change {spending.change}"),
        (len(same), limits.errors_same, f"failures of {call.action} on {call.target} in this change"),
    ]
    return _used_up(rows)


def error_rows(claims: Sequence[Claim]) -> int:
    """How many of them failed."""
    return sum(c.state is ClaimState.FAILED for c in claims)


def _used_up(rows: Sequence[tuple[int, int, str]]) -> list[str]:
    return [f"budget used up: {spent} of {limit} {what}" for spent, limit, what in rows if spent >= limit]


def _since(spending: Spending, seconds: int) -> list[Claim]:
    since = spending.now - timedelta(seconds=seconds)
    return [c for c in spending.claims if c.claimed_at >= since]


def spent(claims: Sequence[Claim]) -> list[Claim]:
    """Claims that count: dispatched applications. Taking something back is always affordable."""
    return [c for c in claims if c.state.dispatched and c.purpose is Purpose.APPLY]
