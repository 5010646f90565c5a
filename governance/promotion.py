"""How autonomy is earned: the step table, what a verified outcome weighs, how it fades. Pure arithmetic over rows.

A run counts only with a verified outcome, weighted by the effect class of what it did. Records stand per action ×
environment and fade while they are not used. What was earned on a demo alone never opens production.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.action import Effect, Tier
from domain.agents import Criterion, RecordRow
from domain.inventory import Environment
from governance.outcomes import PLAN, Origin, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What it takes to leave a tier upwards (spec: Promotion and revocation)."""

    runs: float
    """Weighted verified runs."""
    consecutive: int
    """Latest runs in a row that held."""
    modifications: int = 0
    """Changes that held, whatever they weigh."""
    plan_only: bool = False
    """Counts plans that were judged right instead of effects."""
    review: bool = False
    """A person has to look at the record."""
    admin: bool = False
    """An admin has to approve it, another person than the reviewer."""


STEPS: dict[Tier, Step] = {
    Tier.T0: Step(runs=5, consecutive=3, plan_only=True),
    Tier.T1: Step(runs=10, consecutive=5, modifications=2),
    Tier.T2: Step(runs=25, consecutive=10, modifications=5, review=True),
    Tier.T3: Step(runs=50, consecutive=25, review=True, admin=True),
}
"""By the tier that is left. Nothing is above the last one."""

CLEAN_DAYS = 30
"""Days without a charge that every step asks for."""
WEIGHTS: dict[Effect, float] = {
    Effect.READ: 0.25,
    Effect.TRANSIENT: 0.5,
    Effect.REVERSIBLE: 1.0,
    Effect.IRREVERSIBLE: 2.0,
}
"""What one verified effect is worth: the harder to take back, the more it says."""
HALF_LIFE_DAYS = 30.0
"""A record that nobody uses is worth half after so many days."""
EARNED_RUNS = 5.0
"""What an action needs on record before it may run unattended on production."""
EARNED_CONSECUTIVE = 3
FOR_PRODUCTION: dict[Origin, float] = {
    Origin.DEMO: 0.25,
    Origin.STAGING: 0.5,
    Origin.SHADOW: 1.0,
    Origin.PRODUCTION: 1.0,
}
"""What a run elsewhere says about production. At least half of what is needed must come from elsewhere than demos."""


def standings(rows: Sequence[Row], now: datetime) -> list[RecordRow]:
    """The record per action × environment, the most used first."""
    groups: dict[tuple[str, Environment], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.action, row.environment), []).append(row)
    found = [_standing(group, rows, now) for group in groups.values()]
    return sorted(found, key=lambda s: (-s.weight, s.action, s.environment))


def earned(rows: Sequence[Row], action: str, now: datetime) -> bool:
    """Whether the record allows this action on production unattended."""
    about = [row for row in newest_first(rows) if row.action == action]
    faded = fading(about, now)
    held = [row for row in about if row.held]
    total = sum(FOR_PRODUCTION[row.origin] * WEIGHTS[row.effect] * faded for row in held)
    beyond_demo = sum(
        FOR_PRODUCTION[row.origin] * WEIGHTS[row.effect] * faded for row in held if row.origin is not Origin.DEMO
    )
    return total >= EARNED_RUNS and beyond_demo >= EARNED_RUNS / 2 and in_a_row(about) >= EARNED_CONSECUTIVE


def criteria(tier: Tier, rows: Sequence[Row], charged: int, now: datetime) -> list[Criterion]:
    """What leaving this tier upwards asks for, and what is there. Empty at the highest."""
    step = STEPS.get(tier)
    if step is None:
        return []
    counted = [row for row in newest_first(rows) if (row.action == PLAN) is step.plan_only]
    total = sum(1.0 for row in counted if row.held) if step.plan_only else weighted(counted, now)
    changes = sum(row.held for row in counted)
    what = "plans judged right" if step.plan_only else "verified runs, weighted by effect"
    lines = [
        _line(what, step.runs, round(total, 2)),
        _line("in a row, the latest", step.consecutive, in_a_row(counted)),
        Criterion(
            text=f"charges within {CLEAN_DAYS} days", needed="none", found=str(charged or "none"), met=charged == 0
        ),
    ]
    return lines + ([_line("changes that held", step.modifications, changes)] if step.modifications else [])


def weighted(rows: Sequence[Row], now: datetime) -> float:
    """What the rows that held are worth now, each record fading on its own."""
    groups: dict[tuple[str, Environment], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.action, row.environment), []).append(row)
    return sum(fading(group, now) * sum(WEIGHTS[row.effect] for row in group if row.held) for group in groups.values())


def fading(rows: Sequence[Row], now: datetime) -> float:
    """1 for a record in use, half of it for every half life since its last use; 0 without any."""
    if not rows:
        return 0.0
    idle_days = max(0.0, (now - max(row.at for row in rows)).total_seconds() / 86_400)
    return float(0.5 ** (idle_days / HALF_LIFE_DAYS))


def in_a_row(newest: Sequence[Row]) -> int:
    """How many of the latest held, up to the first that did not. Expects the newest first."""
    return next((n for n, row in enumerate(newest) if not row.held), len(newest))


def newest_first(rows: Sequence[Row]) -> list[Row]:
    """In the order in which a record is read."""
    return sorted(rows, key=lambda row: (row.at, row.id), reverse=True)


def _standing(group: Sequence[Row], rows: Sequence[Row], now: datetime) -> RecordRow:
    first = group[0]
    return RecordRow(
        action=first.action,
        environment=first.environment.value,
        held=sum(row.held for row in group),
        failed=sum(not row.held for row in group),
        consecutive=in_a_row(newest_first(group)),
        weight=round(weighted(group, now), 2),
        origins=dict(Counter(row.origin.value for row in group)),
        last=max(row.at for row in group),
        earned=earned(rows, first.action, now),
    )


def _line(text: str, needed: float, found: float) -> Criterion:
    return Criterion(text=text, needed=f"{needed:g}", found=f"{found:g}", met=found >= needed)
