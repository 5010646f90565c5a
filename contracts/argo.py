"""A contract for Argo Rollouts: an AnalysisTemplate with its guardrails, and the canary steps of a Rollout.

Shapes: argoproj.io/v1alpha1, Argo Rollouts 1.7 (docs: features/analysis). Each metric has a success and a failure condition: what
meets neither, such as no data, is inconclusive there too and pauses the rollout. Argo compares one number with a limit; the
statistical comparison of both versions is only made by `firebreak contract enforce`.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from domain.contract import Contract, Guardrail, Metric

POLL_S = 30
INCONCLUSIVE = 3
"""Measurements without an answer before the rollout is paused."""
_LABELS = 'service="{{args.service}}",version="{{args.version}}"'
_QUANTILES = {Metric.LATENCY_P95: "0.95", Metric.LATENCY_P99: "0.99"}
ARGS = ("service", "version", "prometheus")


def exported(contract: Contract) -> str:
    """Two YAML documents: the AnalysisTemplate, and a Rollout's `strategy` to merge into the service's own."""
    head = f"# Contract {contract.id}, terms {contract.terms_digest()[:12]}, {contract.risk.level.value} risk.\n"
    documents = [analysis_template(contract), rollout_steps(contract)]
    return head + "---\n".join(yaml.safe_dump(found, sort_keys=False, width=110) for found in documents)


def analysis_template(contract: Contract) -> dict[str, Any]:
    """Every guardrail that Prometheus can answer, over its own window."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": _name(contract), "annotations": _annotations(contract)},
        "spec": {
            "args": [{"name": name} for name in ARGS],
            "metrics": [_metric(rail) for rail in contract.guardrails if _query(rail)],
        },
    }


def rollout_steps(contract: Contract) -> dict[str, Any]:
    """Weights and pauses as the contract's stages; the analysis runs from the first of them on."""
    steps: list[dict[str, Any]] = []
    for stage in contract.canary.stages:
        if stage.percent < 100:
            steps += [{"setWeight": int(stage.percent)}, {"pause": {"duration": f"{stage.seconds}s"}}]
    analysis = {
        "templates": [{"templateName": _name(contract)}],
        "startingStep": 1,
        "args": [{"name": "service", "value": contract.service}, {"name": "version", "value": contract.version}],
    }
    strategy = {"canary": {"analysis": analysis, "steps": steps} if steps else {}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": contract.service},
        "spec": {"strategy": strategy},
    }


def _metric(rail: Guardrail) -> dict[str, Any]:
    return {
        "name": rail.metric.value.replace("_", "-"),
        "interval": f"{POLL_S}s",
        "initialDelay": f"{rail.window_s}s",
        "successCondition": f"len(result) > 0 && !isNaN(result[0]) && result[0] <= {rail.limit:g}",
        "failureCondition": f"len(result) > 0 && !isNaN(result[0]) && result[0] > {rail.limit:g}",
        "failureLimit": 0,
        "inconclusiveLimit": INCONCLUSIVE,
        "provider": {"prometheus": {"address": "{{args.prometheus}}", "query": _query(rail)}},
    }


def _query(rail: Guardrail) -> str:
    """PromQL over the usual names of HTTP metrics, in the guardrail's unit; empty for what is no request metric."""
    over = f"[{rail.window_s}s]"
    if rail.metric is Metric.ERROR_RATE:
        failed = f'sum(rate(http_requests_total{{{_LABELS},status=~"5.."}}{over}))'
        return f"100 * ({failed} or vector(0)) / sum(rate(http_requests_total{{{_LABELS}}}{over}))"
    if rail.metric in _QUANTILES:
        buckets = f"sum by (le) (rate(http_request_duration_seconds_bucket{{{_LABELS}}}{over}))"
        return f"1000 * histogram_quantile({_QUANTILES[rail.metric]}, {buckets})"
    return ""


def _annotations(contract: Contract) -> dict[str, str]:
    return {"firebreak.dev/contract": contract.id, "firebreak.dev/terms": contract.terms_digest()}


def _name(contract: Contract) -> str:
    """A name that Kubernetes takes (RFC 1123)."""
    return re.sub(r"[^a-z0-9-]+", "-", f"firebreak-{contract.id}".lower()).strip("-")[:63]
