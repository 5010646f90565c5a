"""The table of violations, and who a symptom is attributed to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.clock import ManualClock
from domain.errors import NotFoundError
from governance.attribution import LINGER_S, Cause, Condition, Excuse, Standing, Suspicion, attribute
from governance.conditions import declare, lift, standing_now
from governance.ledger.memory import MemoryLedger
from governance.violations import TOLD, Consequence, Gravity, Violation

CRITICAL = {
    "UNAUTHORIZED_POOL",
    "APPLY_WITHOUT_PLAN",
    "RUN_WITHOUT_CHECK",
    "UNAUTHORIZED_PROD",
    "UNRECORDED_ROOT",
    "BASELINE_MUTATION",
}
HIGH = {"ERROR_BUDGET_EXCEEDED", "PROCEDURE_VIOLATION", "HEARTBEAT_TIMEOUT", "LOCK_EXPIRED"}
MEDIUM = {"SCOPE_VIOLATION", "FORBIDDEN_ACTION"}
LOW = {"CONFIDENCE_BELOW_THRESHOLD", "MISSING_ARTIFACT"}


def test_the_table_is_total() -> None:
    """Fourteen types, each with the severity of the specification, each severity with its consequence."""
    by_gravity = {g: {v.value for v in Violation if v.gravity is g} for g in Gravity}
    assert by_gravity == {
        Gravity.CRITICAL: CRITICAL,
        Gravity.HIGH: HIGH,
        Gravity.MEDIUM: MEDIUM,
        Gravity.LOW: LOW,
    }
    assert len(Violation) == 14
    assert [g.consequence for g in Gravity] == list(Consequence)
    assert [g.rank for g in Gravity] == [0, 1, 2, 3]
    assert {v.gravity for v in TOLD} == {Gravity.CRITICAL, Gravity.MEDIUM}


@pytest.mark.parametrize("condition", Condition)
def test_every_condition_explains_something_but_never_a_change_nobody_recorded(condition: Condition) -> None:
    """A drill may excuse symptoms; it never excuses an unrecorded effect, a changed baseline or production."""
    never = {Violation.UNRECORDED_ROOT, Violation.BASELINE_MUTATION, Violation.UNAUTHORIZED_PROD}
    assert condition.explains
    assert not condition.explains & never


def suspicion(violation: Violation = Violation.LOCK_EXPIRED, **more: Excuse) -> Suspicion:
    return Suspicion(violation=violation, agent="responder", change="inc-1", what="seen", **more)


def test_what_the_detector_saw_comes_first_then_conditions_then_the_agent() -> None:
    """The order of attribution."""
    now = ManualClock().now()
    lost = Standing(id="c", condition=Condition.LOCK_LOST, since=now, until=now, entry=7)
    human = Excuse(cause=Cause.HUMAN, evidence="a person took it")
    assert attribute(suspicion(excuse=human), [lost], now) == human
    injected = attribute(suspicion(), [lost], now)
    assert injected.cause is Cause.INJECTED
    assert "L7" in injected.evidence
    assert attribute(suspicion(Violation.SCOPE_VIOLATION), [lost], now).cause is Cause.AGENT
    other = lost.model_copy(update={"agent": "somebody"})
    assert attribute(suspicion(), [other], now).cause is Cause.AGENT
    late = now + timedelta(seconds=LINGER_S + 1)
    assert attribute(suspicion(), [lost], late).cause is Cause.AGENT
    assert attribute(suspicion(), [lost], now - timedelta(seconds=1)).cause is Cause.AGENT


def test_a_condition_is_sealed_until_it_is_lifted() -> None:
    """The ledger has a commitment first and the label afterwards; nobody reads what is being done to them."""
    clock = ManualClock()
    ledger = MemoryLedger(clock)
    with ledger.transaction() as tx:
        standing = declare(tx, condition=Condition.ERROR_SPIKE, agent="responder", seconds=60, by="chaos")
    assert "error_spike" not in str(ledger.head().content)
    assert standing_now(ledger) == [standing]
    clock.advance(10)
    with ledger.transaction() as tx:
        ended = lift(tx, standing.id, "chaos")
    assert ended.until == standing.since + timedelta(seconds=10)
    assert ledger.head().content["condition"] == "error_spike"
    clock.advance(LINGER_S + 1)
    assert standing_now(ledger) == []
    with pytest.raises(NotFoundError), ledger.transaction() as tx:
        lift(tx, "cond-unknown", "chaos")
