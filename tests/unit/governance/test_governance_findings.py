"""Findings and the council: one finding per anomaly, closed with evidence, recommended by five, decided by a person."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import ManualClock
from domain.errors import ConflictError, NotFoundError
from domain.findings import Finding, FindingState, Risk, Suggestion
from governance.anomalies import KINDS, SUGGESTIONS, Anomaly, anomaly_of
from governance.council import REVIEWERS, deliberate
from governance.findings import accept, close, findings, fingerprint, load, watch
from governance.ledger.memory import MemoryLedger
from governance.ledger.port import Draft


class Shop:
    """A ledger in which things go wrong."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ledger = MemoryLedger(self.clock)

    def write(self, kind: str, **content: Any) -> None:
        self.clock.advance(1)
        with self.ledger.transaction() as tx:
            tx.append(Draft(kind=kind, actor="guard", change="inc-1", content=content))

    def fail(self, target: str = "api") -> None:
        call = {"action": "restart_service", "target": target}
        self.write("effect", outcome="failed", call=call, summary="it did not come up")

    @property
    def only(self) -> Finding:
        watch(self.ledger)
        [finding] = findings(self.ledger)
        return finding

    def accept(self) -> Finding:
        with self.ledger.transaction() as tx:
            return accept(tx, self.only_id, "maria")

    def close(self, evidence: str = "a week without it") -> Finding:
        with self.ledger.transaction() as tx:
            return close(tx, self.only_id, "maria", evidence)

    @property
    def only_id(self) -> str:
        return findings(self.ledger)[0].id


CASES: list[tuple[str, dict[str, Any], str]] = [
    ("violation", {"charged": True, "agent": "responder", "violation": "LOCK_EXPIRED"}, "agent_misbehaved"),
    ("violation", {"charged": False, "agent": "responder", "violation": "LOCK_EXPIRED"}, "agent_disturbed"),
    ("effect", {"outcome": "failed"}, "step_failed"),
    ("compensation", {"outcome": "unknown"}, "step_unknown"),
    ("decision", {"fell_back": "timeout", "prompt": "planner/1"}, "model_fell_back"),
    ("unwind", {"status": "stuck", "remaining": [1]}, "unwind_stuck"),
    ("refusal", {"why": "RUN_WITHOUT_CHECK: no answer"}, "check_failed"),
]


@pytest.mark.parametrize(("kind", "content", "found"), CASES, ids=[c[2] for c in CASES])
def test_what_is_odd(kind: str, content: dict[str, Any], found: str) -> None:
    """Every kind of anomaly is seen in the ledger entry that shows it, and has a suggestion."""
    shop = Shop()
    shop.write(kind, **content)
    anomaly = anomaly_of(shop.ledger.head())
    assert anomaly is not None
    assert anomaly.kind == found


def test_every_kind_is_covered() -> None:
    """The table of suggestions and the looks name the same kinds."""
    assert {c[2] for c in CASES} == KINDS


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("intent", {}),
        ("effect", {"outcome": "succeeded"}),
        ("decision", {}),
        ("unwind", {"status": "done"}),
        ("refusal", {"why": "the mode says no"}),
    ],
)
def test_what_is_not_odd(kind: str, content: dict[str, Any]) -> None:
    """Work as usual."""
    shop = Shop()
    shop.write(kind, **content)
    assert watch(shop.ledger) == 0


def test_a_recurring_anomaly_is_one_finding_with_a_count() -> None:
    """The evidence grows; a second place is a second finding; nothing is counted twice."""
    shop = Shop()
    shop.fail()
    shop.fail()
    first = shop.only
    assert (first.count, first.state, len(first.evidence)) == (2, FindingState.OPEN, 2)
    assert shop.only.count == 2
    shop.fail("postgres")
    watch(shop.ledger)
    assert len(findings(shop.ledger)) == 2


@given(st.integers(min_value=0, max_value=10**9))
def test_numbers_and_ids_do_not_make_another_finding(n: int) -> None:
    """What changes from time to time is not part of the fingerprint."""
    one = fingerprint(Anomaly(kind="step_failed", subject=f"restart api-{n} inc-4f2a9c1be07d", text="a"))
    other = fingerprint(Anomaly(kind="step_failed", subject="restart api-7 inc-000000000000", text="b"))
    assert one == other


def test_closing_needs_evidence_and_what_comes_back_is_recurrent() -> None:
    """Learnt from: the suggestion helped, and then it had not."""
    shop = Shop()
    shop.fail()
    assert shop.only.council.recommended is True
    assert shop.accept().state is FindingState.ACCEPTED
    with pytest.raises(ConflictError, match="nothing to accept"):
        shop.accept()
    with pytest.raises(ConflictError, match="evidence"):
        shop.close(" ")
    closed = shop.close()
    assert (closed.state, closed.by, closed.closing) == (FindingState.FIXED, "maria", "a week without it")
    assert closed.state.closed
    assert shop.only.suggestion.helped == 1
    with pytest.raises(ConflictError, match="closed already"):
        shop.close()
    shop.fail()
    again = shop.only
    assert (again.state, again.count) == (FindingState.RECURRENT, 2)
    assert (again.suggestion.helped, again.suggestion.failed) == (0, 1)
    assert again.suggestion.confidence < 0.5
    events = [e.content["event"] for e in shop.ledger.entries() if e.kind == "finding"]
    assert events == ["opened", "accepted", "closed", "came back"]


def test_closing_without_having_accepted_teaches_nothing() -> None:
    """The suggestion had no part in it."""
    shop = Shop()
    shop.fail()
    watch(shop.ledger)
    shop.close()
    assert shop.only.suggestion.helped == 0


def test_an_unknown_finding_is_not_found() -> None:
    """With what was looked for."""
    shop = Shop()
    with pytest.raises(NotFoundError), shop.ledger.transaction() as tx:
        accept(tx, "fnd-nothing", "maria")
    assert load(shop.ledger, "fnd-nothing") is None


def suggestion(**more: Any) -> Suggestion:
    given: dict[str, Any] = {
        "kind": "step_failed",
        "text": "do",
        "risk": Risk.LOW,
        "impact": 0.5,
        "touches": ["runbook"],
    }
    return Suggestion(**{**given, **more})


def against(count: int = 2, **more: Any) -> set[str]:
    return {v.reviewer for v in deliberate(suggestion(**more), count).votes if v.approve is False}


def test_each_reviewer_has_its_own_objection() -> None:
    """Five sides, each with its reason."""
    assert list(REVIEWERS) == ["safety", "performance", "architecture", "compliance", "quality"]
    assert against() == set()
    assert against(risk=Risk.HIGH) == {"safety"}
    assert against(impact=0.1) == {"performance"}
    assert against(touches=["model", "runbook"]) == {"architecture"}
    assert against(touches=["policy"]) == {"compliance"}
    assert against(count=1) == {"quality"}
    assert against(failed=3) == {"quality"}
    assert [r.rank for r in Risk] == [0, 1, 2, 3, 4]


def test_ties_fail_and_nobody_approves_its_own() -> None:
    """A reviewer abstains from what it suggested itself; the council as an author recommends nothing."""
    tied = deliberate(suggestion(author="safety", impact=0.1, touches=["policy"]), 2)
    assert [v.approve for v in tied.votes] == [None, False, True, False, True]
    assert not tied.recommended
    own = deliberate(suggestion(author="council"), 2)
    assert not own.recommended
    assert {v.approve for v in own.votes} == {None}
    assert deliberate(SUGGESTIONS["step_failed"], 2).recommended
