"""Factors add up to the score; more findings never lower it."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from contracts.finding import Finding
from contracts.score import confidence_of, factors_of, score_of
from domain.risk import FactorName

findings = st.lists(
    st.builds(
        Finding,
        factor=st.sampled_from(FactorName),
        points=st.floats(0, 100),
        reason=st.just("because"),
        where=st.lists(st.sampled_from(["a.py:1", "b.py:2"]), max_size=2),
        sure=st.floats(0.1, 1),
    ),
    max_size=30,
)


@given(findings)
def test_the_weights_add_up_to_the_score(found: list[Finding]) -> None:
    factors = factors_of(found)
    assert abs(math.fsum(f.weight for f in factors) - score_of(factors)) <= 0.005 + 1e-9
    assert 0 <= score_of(factors) <= 100
    assert len({f.name for f in factors}) == len(factors)


@given(findings, findings)
def test_another_finding_never_lowers_the_score(some: list[Finding], more: list[Finding]) -> None:
    assert score_of(factors_of(some + more)) >= score_of(factors_of(some)) - 0.01


@example([Finding(factor=FactorName.TIME, points=5e-324, reason="hardly")])
@given(findings)
def test_the_order_of_the_findings_does_not_matter(found: list[Finding]) -> None:
    backwards = score_of(factors_of(reversed(found)))
    assert abs(backwards - score_of(factors_of(found))) <= 0.01


@given(findings, st.lists(st.tuples(st.just("unknown"), st.floats(0, 1))))
def test_doubts_only_lower_the_confidence(found: list[Finding], doubts: list[tuple[str, float]]) -> None:
    assert 0.1 <= confidence_of(found, doubts) <= confidence_of(found, []) <= 0.95


def test_many_places_are_counted_and_reasons_kept_short() -> None:
    rows = [
        Finding(factor=FactorName.CACHING, points=10 + i / 10, reason=f"reason {i}", where=[f"f{i}"]) for i in range(20)
    ]
    (factor,) = factors_of(rows)
    assert factor.where[-1] == "and 8 more"
    assert factor.reason == "reason 19; reason 18; reason 17 (and 17 more)"
