"""From a context and what was found in the change to a contract. Pure: the caller gives the id and the time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from contracts.canary import canary_for
from contracts.chance import Curve
from contracts.circumstances import around
from contracts.context import DeploymentContext
from contracts.finding import Finding, marks_of
from contracts.guardrails import against_baseline, guardrails_for
from contracts.prediction import affected_users, error_impact, latency_impact, strongest
from contracts.rollback import rollback_for
from contracts.score import confidence_of, factors_of, score_of
from contracts.stance import Stance, reversibility_of
from contracts.suggestions import suggestions_for
from contracts.validators import validators_for
from contracts.words import declared
from domain.contract import Canary, Contract
from domain.risk import Factor, Risk, RiskLevel
from domain.value import Json, digest

VALID_FOR = timedelta(days=7)
"""A draft that nobody signed by then is expired."""

Doubt = tuple[str, float]
"""What is not known, and what that costs of the confidence."""


def draft_contract(
    context: DeploymentContext,
    *,
    id: str,
    at: datetime,
    findings: Sequence[Finding],
    doubts: Sequence[Doubt] = (),
    revision: int = 1,
    curve: Curve = Curve(),
) -> Contract:
    """`findings`: what a diff showed, or what `described` made of words; what surrounds the change is added here.
    `curve`: what past deployments taught about scores.
    """
    findings = [*findings, *around(context)]
    doubts = [*doubts, *_unknowns(context)]
    factors = factors_of(findings)
    stance = Stance(
        score=score_of(factors),
        confidence=confidence_of(findings, doubts),
        reversibility=reversibility_of(marks_of(findings), context.rollback_capability),
    )
    canary = canary_for(stance)
    guardrails = guardrails_for(stance, context, canary)
    marks = marks_of(findings)
    return Contract(
        id=id,
        revision=revision,
        deployment=context.deployment_id,
        service=context.service_name,
        environment=context.environment,
        version=context.version,
        head=context.head,
        context=_bound_to(context, findings),
        risk=_risk(context, stance, factors, findings, doubts, canary).model_copy(
            update={"probability": round(curve.chance(stance.score), 3), "basis": curve.basis}
        ),
        guardrails=guardrails,
        canary=canary,
        validators=validators_for(stance, {f.name for f in factors}, marks, against_baseline(guardrails)),
        rollback=rollback_for(stance, context, marks),
        suggestions=suggestions_for(stance, context, findings),
        baseline=context.baseline,
        created_at=at,
        expires_at=at + VALID_FOR,
    )


def described(context: DeploymentContext) -> list[Finding]:
    """What tags and words of the context say, where there is no diff to read."""
    return [finding for change in context.changes for finding in declared(change)]


def _risk(
    context: DeploymentContext,
    stance: Stance,
    factors: list[Factor],
    findings: Sequence[Finding],
    doubts: Sequence[Doubt],
    canary: Canary,
) -> Risk:
    points = strongest([(f.factor, f.points) for f in findings])
    return Risk(
        score=stance.score,
        level=RiskLevel.of(stance.score),
        confidence=stance.confidence,
        factors=factors,
        doubts=[text for text, _ in doubts],
        latency=latency_impact(points, stance.confidence),
        errors=error_impact(points, stance.confidence, context.current_error_rate),
        affected_users=affected_users(context, canary, factors),
    )


def _bound_to(context: DeploymentContext, findings: Iterable[Finding]) -> str:
    plain: dict[str, Json] = {
        "context": context.model_dump(mode="json", exclude={"baseline"}),
        "findings": [{**f.model_dump(mode="json", exclude={"marks"}), "marks": sorted(f.marks)} for f in findings],
    }
    return digest(plain)


def _unknowns(context: DeploymentContext) -> list[Doubt]:
    rows = (
        (not context.changes, "no changed files are named", 0.3),
        (context.current_error_rate is None, "today's error rate is not known", 0.05),
        (context.current_p95 is None, "today's p95 is not known", 0.03),
        (context.target_error_rate is None, "no error objective is known", 0.03),
        (context.target_p95 is None and context.current_p95 is None, "nothing is known to watch latency by", 0.05),
        (context.qps is None, "today's traffic is not known", 0.02),
    )
    return [(text, cost) for unknown, text, cost in rows if unknown]
