"""Whether a cure lasts: compared from outside, with readings only."""

from __future__ import annotations

from typing import Any

import pytest

from agents.lasting import processes_to_watch, started_again
from agents.verifier import Watch, verify
from domain.bundle import Reading
from domain.clock import ManualClock
from domain.conditions import Condition, Finding
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Hypothesis
from domain.report import Check, Verification

NOW = ManualClock().now()
SERVED = Reading(probe="http_health", service="shop", time=1.0, ok=True, values={"user_facing": True})


def process(restarts: int | None, pid: int = 7) -> Reading:
    return Reading(probe="process_state", service="api", time=1.0, ok=True, values={"restarts": restarts, "pid": pid})


def cause(condition: Condition, target: str = "") -> Hypothesis:
    found = Finding(condition=condition, service="api", target=target).model_dump(mode="json")
    return Hypothesis(rank=1, service="api", confidence=0.9, statement="h", details={"conditions": [found]})


def verified(
    condition: Condition, *, held_s: float = 6.0, still: bool = False, before: Reading | None, after: Reading | None
) -> Verification:
    """A look after a step on the api."""
    hypothesis = cause(condition)
    fresh = Diagnosis(
        incident="i", verdict=DiagnosisVerdict.FAULT, confidence=0.9, hypotheses=[hypothesis] if still else []
    )
    watch = Watch(held_s=held_s, wanted_s=6.0, readings=(SERVED,), settled={"api": before} if before else {})
    state = Reading(probe="other", service="api", time=1.0, ok=True)
    return verify(
        step_id="s1",
        watch=watch,
        before={},
        hypothesis=hypothesis,
        fresh=fresh,
        readings=[SERVED, state, *([after] if after else [])],
        evidence=[],
        changed=["api"],
        now=NOW,
    )


def durable(found: Verification) -> list[Check]:
    return [c for c in found.checks if c.kind == "durable"]


@pytest.mark.parametrize(
    ("before", "after", "ok", "words"),
    [
        (process(3), process(3), True, "not started again"),
        (process(3), process(4), False, "started again"),
        (process(None), process(None), True, "not started again"),
        (process(None), process(None, pid=8), False, "started again"),
        (process(3), process(3, pid=8), True, "not started again"),
        (None, process(4), True, "did not return"),
        (process(3), None, True, "did not return"),
    ],
)
def test_a_restart_while_users_are_watched_is_no_cure(
    before: Reading | None, after: Reading | None, ok: bool, words: str
) -> None:
    """The supervisor's count decides, else the process id; without readings only the condition does."""
    found = verified(Condition.CONFIG_KEY_MISSING, before=before, after=after)
    (check,) = durable(found)
    assert (check.ok, found.passed) == (ok, ok)
    assert words in check.text


def test_a_condition_that_is_read_again_did_not_last() -> None:
    """The condition itself counts as much as a restart."""
    found = verified(Condition.CONFIG_CHANGED, still=True, before=process(3), after=process(3))
    assert [c.ok for c in durable(found)] == [False]
    assert not found.passed


@pytest.mark.parametrize(("restarts", "passed"), [(3, True), (4, False)])
def test_a_loop_that_stopped_is_no_loop(restarts: int, passed: bool) -> None:
    """A high count of starts looks like a loop for a while; what counts is that it does not grow any more."""
    found = verified(Condition.PROCESS_CRASH_LOOPING, still=True, before=process(3), after=process(restarts))
    assert [c.ok for c in durable(found)] == [passed]
    assert found.passed is passed
    if passed:
        assert [c.text for c in found.checks if c.kind == "cause"] == ["it was started often, and runs now"]


def test_only_fragile_conditions_are_looked_at_so() -> None:
    """A saturated pool has no restarts to count, and unserved users have nothing that could last."""
    assert durable(verified(Condition.POOL_SATURATED, before=process(3), after=process(4))) == []
    assert durable(verified(Condition.PROCESS_PAUSED, held_s=1.0, before=process(3), after=process(4))) == []
    assert processes_to_watch(cause(Condition.POOL_SATURATED)) == []
    assert processes_to_watch(cause(Condition.LOCAL_STATE_TORN)) == ["api"]
    assert processes_to_watch(cause(Condition.CONFIG_CHANGED, target="worker")) == ["worker"]


def test_a_reading_that_cannot_tell_is_no_restart() -> None:
    """Nothing known is neither yes nor no."""
    blind: dict[str, Any] = {"restarts": None, "pid": None}
    silent = Reading(probe="process_state", service="api", time=1.0, ok=None, values=blind)
    assert started_again(silent, process(1)) is None
