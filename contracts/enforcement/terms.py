"""What a contract's terms mean to the judge."""

from __future__ import annotations

import itertools

from contracts.judge.aims import Aims, LatencyLimit, MemoryLimit
from domain.contract import Contract, Guardrail, Metric
from domain.errors import ConfigError
from domain.inventory import Service

QUANTILES = {Metric.LATENCY_P95: 0.95, Metric.LATENCY_P99: 0.99}
LOOKS = 4
"""Looks per stage: a bad version is not served until the stage is over."""


def aims_of(contract: Contract, service: Service) -> Aims:
    """Limits from the guardrails, the error budget from the service's objectives.

    A guardrail against the baseline sets no limit: comparing both versions is what it asks for, and is done anyway.
    """
    absolute = [rail for rail in contract.guardrails if rail.compare == "absolute" and rail.limit > 0]
    errors = next((rail.limit / 100.0 for rail in absolute if rail.metric is Metric.ERROR_RATE), None)
    return Aims(
        error_limit=errors,
        latency_limits=tuple(
            LatencyLimit(quantile=QUANTILES[rail.metric], seconds=rail.limit / 1000.0)
            for rail in absolute
            if rail.metric in QUANTILES
        ),
        memory=_memory(absolute, service, contract.rollback.window_s),
        budget=budget_of(service),
        looks=LOOKS,
    )


def budget_of(service: Service) -> float | None:
    """Share of the requests that may fail; None when no objective says so."""
    targets = [slo.target for slo in service.slos if slo.sli in ("error_ratio", "availability") and 0 < slo.target < 1]
    return 1.0 - max(targets) if targets else None


def check_ramp(contract: Contract) -> None:
    """Raises ConfigError when a stage adds more of the traffic than the contract allows."""
    largest = next((rail.limit for rail in contract.guardrails if rail.metric is Metric.TRAFFIC_RAMP), 100.0)
    shares = [0.0, *(stage.percent for stage in contract.canary.stages)]
    for before, after in itertools.pairwise(shares):
        if after <= before or after - before > largest + 1e-9:
            raise ConfigError(
                "the stages of the contract do not fit its own terms",
                expected=f"rising shares, at most {largest:g} points at a time",
                found=", ".join(f"{share:g}" for share in shares[1:]),
                code="request.invalid",
            )


def _memory(rails: list[Guardrail], service: Service, horizon_s: float) -> MemoryLimit | None:
    """Percent of what the release binding says the service is given; None when nothing says so."""
    release = service.bindings.get("release")
    given = release.options.get("memory_bytes") if release else None
    share = next((rail.limit for rail in rails if rail.metric is Metric.MEMORY), None)
    if not given or share is None:
        return None
    return MemoryLimit(bytes=float(given) * share / 100.0, horizon_s=max(3600.0, horizon_s))
