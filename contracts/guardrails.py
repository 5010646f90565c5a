"""What is watched while a release goes out, and at which limit it is taken back. A worse stance can only tighten."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contracts.context import DeploymentContext
from contracts.stance import Stance
from domain.contract import Canary, Guardrail, Metric
from domain.risk import RiskLevel as Level

WINDOW_S = 300
_ERROR_RATE: Mapping[Level, float] = {Level.LOW: 0.5, Level.MEDIUM: 0.4, Level.HIGH: 0.3, Level.CRITICAL: 0.2}
"""Percent of requests."""
_LATENCY: Mapping[Level, float] = {Level.LOW: 1.0, Level.MEDIUM: 0.95, Level.HIGH: 0.9, Level.CRITICAL: 0.85}
"""Share of the objective that may be used."""
_MARGIN: Mapping[Level, float] = {Level.LOW: 0.2, Level.MEDIUM: 0.15, Level.HIGH: 0.1, Level.CRITICAL: 0.05}
"""Room above the baseline where there is no objective."""
_RESOURCES: Mapping[Level, float] = {Level.LOW: 90, Level.MEDIUM: 85, Level.HIGH: 80, Level.CRITICAL: 75}
"""Percent of what the service is given."""
_CAUTION = (1.0, 1.0, 0.9, 0.8, 0.75)
"""Tightening by `Stance.caution`: one step of doubt costs proofs, more of them cost room as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One metric of the service as it is known: percent or milliseconds; None: nobody said."""

    metric: Metric
    baseline: float | None
    target: float | None


def guardrails_for(stance: Stance, context: DeploymentContext, canary: Canary) -> list[Guardrail]:
    """Error rate, latency where anything is known about it, traffic ramp, resources."""
    return [
        _error_rate(
            stance,
            Figures(metric=Metric.ERROR_RATE, baseline=context.current_error_rate, target=context.target_error_rate),
        ),
        *_latency(stance, Figures(metric=Metric.LATENCY_P95, baseline=context.current_p95, target=context.target_p95)),
        *_latency(stance, Figures(metric=Metric.LATENCY_P99, baseline=context.current_p99, target=context.target_p99)),
        _ramp(canary),
        *(_resource(stance, metric) for metric in (Metric.CPU, Metric.MEMORY)),
    ]


def against_baseline(guardrails: list[Guardrail]) -> list[Guardrail]:
    """Those that the service already breaks today: a person has to accept them."""
    return [g for g in guardrails if g.compare == "baseline"]


def _error_rate(stance: Stance, figures: Figures) -> Guardrail:
    limit = _ERROR_RATE[stance.level]
    reason = f"{limit:g} % for {stance.level.value} risk"
    if figures.target is not None and figures.target < limit:
        limit, reason = figures.target, f"the objective of {figures.target:g} % is stricter than {reason}"
    return _watched(stance, figures, limit, reason)


def _latency(stance: Stance, figures: Figures) -> Iterator[Guardrail]:
    if figures.target is not None:
        share = _LATENCY[stance.level]
        reason = f"{share:.0%} of the objective of {figures.target:g} ms for {stance.level.value} risk"
        yield _watched(stance, figures, figures.target * share, reason)
    elif figures.baseline:
        margin = _MARGIN[stance.level] * _CAUTION[stance.caution]
        reason = (
            f"no objective is known: {margin:.1%} above today's {figures.baseline:g} ms for {stance.level.value} risk"
        )
        yield _guardrail(figures.metric, figures.baseline * (1 + margin), reason)


def _watched(stance: Stance, figures: Figures, limit: float, reason: str) -> Guardrail:
    share = _CAUTION[stance.caution]
    if share < 1:
        limit, reason = limit * share, f"{reason}, of which {share:.0%} ({_doubt(stance)})"
    if figures.baseline is not None and figures.baseline >= limit:
        why = f"today's {figures.baseline:g} is already at or above {limit:.4g} ({reason}): no worse than today, if a person agrees"
        return _guardrail(figures.metric, figures.baseline, why, compare=True)
    return _guardrail(figures.metric, limit, reason)


def _ramp(canary: Canary) -> Guardrail:
    shares = [0.0, *(stage.percent for stage in canary.stages)]
    largest = max((after - before for before, after in itertools.pairwise(shares)), default=100.0)
    reason = (
        "the largest share of the traffic that one stage adds"
        if canary.stages
        else "all at once: no canary is asked for"
    )
    return _guardrail(Metric.TRAFFIC_RAMP, largest, reason)


def _resource(stance: Stance, metric: Metric) -> Guardrail:
    limit = _RESOURCES[stance.level] * _CAUTION[stance.caution]
    return _guardrail(
        metric, limit, f"room to fail over at {stance.level.value} risk; percent of what the service is given"
    )


def _guardrail(metric: Metric, limit: float, reason: str, *, compare: bool = False) -> Guardrail:
    return Guardrail(
        metric=metric,
        limit=round(limit, 4),
        unit=metric.unit,
        window_s=WINDOW_S,
        reason=reason,
        compare="baseline" if compare else "absolute",
    )


def _doubt(stance: Stance) -> str:
    doubts = [] if stance.trust.rank == 0 else [f"confidence {stance.confidence:.2f}"]
    doubts += [] if stance.reversibility.rank == 0 else [f"reversibility {stance.reversibility.value}"]
    return ", ".join(doubts)
