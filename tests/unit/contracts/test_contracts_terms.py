"""The terms only tighten: over every score, confidence and reversibility, whatever the service looks like."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from contracts.canary import canary_for
from contracts.context import DeploymentContext
from contracts.finding import Mark
from contracts.guardrails import against_baseline, guardrails_for
from contracts.rollback import rollback_for
from contracts.stance import Reversibility, Stance
from contracts.validators import validators_for
from domain.contract import Canary, Guardrail, Metric, Rollback, Validator, ValidatorKind
from domain.risk import FactorName, RiskLevel

_EDGES = [0.0, 29.999, 30.0, 49.999, 50.0, 69.999, 70.0, 100.0]
scores = st.sampled_from(_EDGES) | st.floats(0, 100)
confidences = st.sampled_from([0.0, 0.499, 0.5, 0.699, 0.7, 1.0]) | st.floats(0, 1)
stances = st.builds(
    lambda s, c, r: Stance(score=s, confidence=c, reversibility=r), scores, confidences, st.sampled_from(Reversibility)
)
_percent = st.none() | st.floats(0, 100)
_ms = st.none() | st.floats(0, 1e5)
contexts = st.builds(
    DeploymentContext,
    deployment_id=st.just("d"),
    service_name=st.just("s"),
    current_error_rate=_percent,
    target_error_rate=_percent,
    current_p95=_ms,
    target_p95=_ms,
    current_p99=_ms,
    target_p99=_ms,
)
factors = st.sets(st.sampled_from(FactorName))
marks = st.sets(st.sampled_from(Mark))


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    guardrails: dict[Metric, Guardrail]
    canary: Canary
    required: set[ValidatorKind]
    rollback: Rollback


def terms(stance: Stance, context: DeploymentContext, names: set[FactorName], seen: set[Mark]) -> Terms:
    canary = canary_for(stance)
    guardrails = guardrails_for(stance, context, canary)
    asked = validators_for(stance, names, seen, against_baseline(guardrails))
    return Terms(
        guardrails={g.metric: g for g in guardrails},
        canary=canary,
        required={v.kind for v in asked if v.required},
        rollback=rollback_for(stance, context, seen),
    )


def worse(one: Stance, other: Stance) -> Stance:
    return Stance(
        score=max(one.score, other.score),
        confidence=min(one.confidence, other.confidence),
        reversibility=max(one.reversibility, other.reversibility, key=lambda r: r.rank),
    )


@given(stances, stances, contexts, factors, marks)
def test_more_risk_less_confidence_or_less_reversibility_only_tighten(
    one: Stance, other: Stance, context: DeploymentContext, names: set[FactorName], seen: set[Mark]
) -> None:
    """Limits fall or stay, canaries start lower and last longer, proofs are added, the window grows."""
    loose, tight = terms(one, context, names, seen), terms(worse(one, other), context, names, seen)
    assert loose.guardrails.keys() == tight.guardrails.keys()
    for metric, guardrail in tight.guardrails.items():
        assert guardrail.limit <= loose.guardrails[metric].limit
        assert guardrail.window_s >= loose.guardrails[metric].window_s
    assert loose.required <= tight.required
    assert tight.rollback.window_s >= loose.rollback.window_s
    assert _start(tight.canary) <= _start(loose.canary)
    assert _least_seconds(tight.canary) >= _least_seconds(loose.canary)
    assert tight.canary.required >= loose.canary.required


def _start(canary: Canary) -> float:
    return canary.stages[0].percent if canary.stages else 100.0


def _least_seconds(canary: Canary) -> int:
    return min((s.seconds for s in canary.stages), default=0)


@given(stances, contexts, factors, marks)
def test_no_limit_is_looser_than_the_objective_unless_it_is_said(
    stance: Stance, context: DeploymentContext, names: set[FactorName], seen: set[Mark]
) -> None:
    """Above the objective stands only what is so today, compared with today, and a person has to agree."""
    found = terms(stance, context, names, seen)
    targets = {
        Metric.ERROR_RATE: context.target_error_rate,
        Metric.LATENCY_P95: context.target_p95,
        Metric.LATENCY_P99: context.target_p99,
    }
    for metric, target in targets.items():
        guardrail = found.guardrails.get(metric)
        if guardrail and target is not None and guardrail.limit > target + 1e-4:
            assert guardrail.compare == "baseline"
            assert ValidatorKind.MANUAL_APPROVAL in found.required


@given(stances, contexts, factors, marks)
def test_irreversibility_never_waives_the_rollback_proof(
    stance: Stance, context: DeploymentContext, names: set[FactorName], seen: set[Mark]
) -> None:
    gone = worse(stance, Stance(score=0, confidence=1, reversibility=Reversibility.NONE))
    found = terms(gone, context, names, seen)
    assert {
        ValidatorKind.ROLLBACK_PLAN,
        ValidatorKind.ROLLBACK_REHEARSAL,
        ValidatorKind.MANUAL_APPROVAL,
    } <= found.required
    assert found.rollback.steps


def test_each_level_has_the_terms_that_it_is_known_for() -> None:
    """Error rate, first stage and number of stages per level, with nothing in doubt."""
    context = DeploymentContext(deployment_id="d", service_name="s", target_p95=100)
    rows = {}
    for score in (10, 30, 50, 70):
        found = terms(Stance(score=score, confidence=1, reversibility=Reversibility.FULL), context, set(), set())
        rows[RiskLevel.of(score).value] = (
            found.guardrails[Metric.ERROR_RATE].limit,
            found.guardrails[Metric.LATENCY_P95].limit,
            _start(found.canary),
            _least_seconds(found.canary),
            found.canary.required,
            found.rollback.window_s,
        )
    assert rows == {
        "low": (0.5, 100, 100, 0, False, 300),
        "medium": (0.4, 95, 25, 300, False, 300),
        "high": (0.3, 90, 10, 450, True, 300),
        "critical": (0.2, 85, 5, 600, True, 300),
    }


def test_a_proof_is_only_recommended_where_nothing_asks_for_it() -> None:
    context = DeploymentContext(deployment_id="d", service_name="s")
    stance = Stance(score=40, confidence=1, reversibility=Reversibility.FULL)
    found: list[Validator] = validators_for(stance, set(), set(), [])
    assert {v.kind.value: v.required for v in found} == {
        "tests": True,
        "rollback_plan": True,
        "canary": False,
        "rollback_rehearsal": False,
    }
    assert rollback_for(stance, context, set()).possible
