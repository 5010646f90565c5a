"""Closings, outcomes and promotion: what counts, what it weighs, and how it fades."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.action import Effect, Tier
from domain.clock import ManualClock
from domain.errors import GovernanceError
from domain.inventory import Environment
from domain.lifecycle import Phase
from governance.closing import Closing, symptoms
from governance.guard.trust import parse_closing
from governance.ledger.memory import MemoryLedger
from governance.outcomes import ORIGINS, PLAN, Origin, Row, review_plan, rows_of
from governance.promotion import (
    FOR_PRODUCTION,
    HALF_LIFE_DAYS,
    STEPS,
    WEIGHTS,
    criteria,
    earned,
    fading,
    in_a_row,
    standings,
    weighted,
)
from governance.violations import Violation

NOW = ManualClock().now()


def row(n: int = 0, **more: Any) -> Row:
    given: dict[str, Any] = {
        "id": f"r{n}",
        "agent": "responder",
        "action": "scale_pool",
        "environment": Environment.PRODUCTION,
        "effect": Effect.REVERSIBLE,
        "origin": Origin.PRODUCTION,
        "held": True,
        "change": "inc-1",
        "at": NOW - timedelta(minutes=n),
    }
    return Row(**{**given, **more})


def rows(count: int, **more: Any) -> list[Row]:
    return [row(n, **more) for n in range(count)]


def closing(**more: Any) -> Closing:
    walked = [Phase.BOOTSTRAP, Phase.PREFLIGHT, Phase.PLAN, Phase.PACKAGE, Phase.REPORT, Phase.EXIT]
    given: dict[str, Any] = {"agent": "responder", "run": "r-1", "outcome": "healthy", "phases": walked}
    return Closing(**{**given, "artifacts": ["brief"], **more})


def test_tables_are_total() -> None:
    """Every effect class weighs something, every environment has an origin, every tier but the last a step."""
    assert set(WEIGHTS) == set(Effect)
    assert set(ORIGINS) == set(Environment)
    assert set(FOR_PRODUCTION) == set(Origin)
    assert set(STEPS) == set(Tier) - {Tier.T4}
    assert [(s.runs, s.consecutive) for s in STEPS.values()] == [(5, 3), (10, 5), (25, 10), (50, 25)]
    assert [t for t, s in STEPS.items() if s.review] == [Tier.T2, Tier.T3]
    assert [t for t, s in STEPS.items() if s.admin] == [Tier.T3]


def test_a_run_that_walked_as_it_should_and_left_its_brief_is_fine() -> None:
    """Nothing to say."""
    assert symptoms(closing(), []) == []


def test_an_unknown_move_and_a_missing_brief_are_seen() -> None:
    """PROCEDURE_VIOLATION and MISSING_ARTIFACT, each with what it was."""
    found = symptoms(closing(phases=[Phase.BOOTSTRAP, Phase.EXECUTE], artifacts=[]), [])
    assert [v for v, _ in found] == [Violation.PROCEDURE_VIOLATION, Violation.MISSING_ARTIFACT]
    assert "BOOTSTRAP to EXECUTE" in found[0][1]
    assert "brief" in found[1][1]


def test_a_closing_that_says_too_little_is_refused() -> None:
    """With the field that is wrong."""
    with pytest.raises(GovernanceError) as refused:
        parse_closing({"agent": "responder"})
    assert refused.value.found.startswith("run")


def test_demo_drills_alone_never_open_production() -> None:
    """However many; a few elsewhere make the difference."""
    demo = rows(400, origin=Origin.DEMO, environment=Environment.SANDBOX)
    assert not earned(demo, "scale_pool", NOW)
    beyond = [row(500 + n, origin=Origin.STAGING) for n in range(5)]
    assert earned([*demo, *beyond], "scale_pool", NOW)
    assert not earned([*demo, *beyond], "set_config", NOW)


def test_production_is_earned_by_what_held_there_and_lost_by_what_did_not() -> None:
    """Five in a row earn it; a failure breaks the row until three more hold."""
    assert earned(rows(5), "scale_pool", NOW)
    assert not earned(rows(4), "scale_pool", NOW)
    broken = [row(0, held=False), *[row(n) for n in range(1, 9)]]
    assert not earned(broken, "scale_pool", NOW)
    mended = [*[row(n) for n in range(3)], row(3, held=False), *[row(n) for n in range(4, 9)]]
    assert earned(mended, "scale_pool", NOW)


def test_a_record_that_nobody_uses_fades() -> None:
    """Half for every half life since its last use; a record in use does not fade."""
    assert fading([], NOW) == 0.0
    assert fading(rows(3), NOW) == 1.0
    assert fading(rows(1), NOW - timedelta(days=1)) == 1.0
    later = NOW + timedelta(days=HALF_LIFE_DAYS)
    assert weighted(rows(8), later) == pytest.approx(4.0)
    assert earned(rows(8), "scale_pool", NOW)
    assert not earned(rows(8), "scale_pool", later)
    used = [*rows(8), row(99, at=later)]
    assert earned(used, "scale_pool", later)


@given(st.integers(min_value=0, max_value=60), st.integers(min_value=0, max_value=400))
def test_time_never_adds_to_a_record(count: int, days: int) -> None:
    """Fading is monotone."""
    later = NOW + timedelta(days=days)
    assert weighted(rows(count), later) <= weighted(rows(count), NOW) + 1e-9


@given(st.lists(st.booleans(), max_size=30))
def test_the_row_ends_at_the_first_that_did_not_hold(held: list[bool]) -> None:
    """Counted from the newest."""
    found = in_a_row([row(n, held=h) for n, h in enumerate(held)])
    assert found == len(held) if all(held) else not held[found] and all(held[:found])


def met(tier: Tier, given: list[Row], charged: int = 0, at: datetime = NOW) -> list[bool]:
    return [c.met for c in criteria(tier, given, charged, at)]


def test_a_step_asks_for_runs_rows_changes_and_a_clean_month() -> None:
    """The table's numbers, one line each."""
    assert met(Tier.T1, rows(10)) == [True, True, True, True]
    assert met(Tier.T1, rows(9)) == [False, True, True, True]
    assert met(Tier.T1, rows(10), charged=1) == [True, True, False, True]
    assert met(Tier.T1, rows(10, effect=Effect.TRANSIENT))[0] is False
    assert met(Tier.T2, rows(25)) == [True, True, True, True]
    assert met(Tier.T3, rows(50)) == [True, True, True]
    assert criteria(Tier.T4, rows(99), 0, NOW) == []


def test_an_observer_is_promoted_by_its_plans() -> None:
    """Effects do not count for it, plans judged right do; and the other way round above."""
    plans = rows(5, action=PLAN, effect=Effect.READ)
    assert met(Tier.T0, plans) == [True, True, True]
    assert met(Tier.T0, rows(5)) == [False, False, True]
    assert met(Tier.T1, plans * 3)[0] is False


def test_standings_stand_per_action_and_environment() -> None:
    """Most used first, with origins and what they are worth."""
    found = standings([*rows(3), row(9, action="set_config", held=False, origin=Origin.STAGING)], NOW)
    assert [(s.action, s.held, s.failed, s.consecutive) for s in found] == [
        ("scale_pool", 3, 0, 3),
        ("set_config", 0, 1, 0),
    ]
    assert found[0].origins == {"production": 3}
    assert found[0].weight == 3.0


def test_a_person_judges_a_plan() -> None:
    """An observer's record is a person's word, in the ledger."""
    ledger = MemoryLedger(ManualClock())
    with ledger.transaction() as tx:
        review_plan(tx, agent="watcher", plan="plan-1", environment=Environment.PRODUCTION, right=True, by="maria")
    assert [(r.action, r.held) for r in rows_of(ledger, "watcher")] == [(PLAN, True)]
    assert ledger.head().kind == "review"
