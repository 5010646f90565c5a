"""Analyses: what was observed as a whole, as readings that tell broken from healthy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents.perception.engine import diagnose
from domain.alert import Alert, AlertStatus
from domain.bundle import Bundle, LogLine, Reading, Series, Span
from skills.analyses.alerts import alert_groups
from skills.analyses.analysis import Observed
from skills.analyses.catalogue import ANALYSES
from skills.analyses.causes import diagnosis
from skills.analyses.signals import log_clusters, metric_anomaly, trace_hotspot
from tests.fakes.world import alert

NOW = 1000.0


def observed(*alerts: Alert, **fields: Any) -> Observed:
    bundle = Bundle(id="look", services=("api", "db"), edges=(), **fields)
    return Observed(now=NOW, bundle=bundle, diagnosis=diagnose(bundle), alerts=alerts)


def line(time: float, message: str, level: str = "error", service: str = "api") -> LogLine:
    return LogLine(time=time, service=service, message=message, level=level)


def test_log_patterns_that_pile_up_are_told() -> None:
    """Lines that differ in numbers are one pattern; what came as often before, or is no warning, says nothing."""
    usual = [line(t, f"retry {t}") for t in range(500, 1000, 10)]
    fresh = [line(990 + n, f"connection to 10.0.0.{n} refused") for n in range(4)]
    chatter = [line(990 + n, f"served {n}", level="info") for n in range(9)]
    found = log_clusters(observed(logs=(*usual, *fresh, *chatter)), "api")
    assert found.ok is False
    assert [(c["count"], c["before"]) for c in found.values["clusters"]] == [(4, 0)]
    assert log_clusters(observed(logs=tuple(usual)), "api").ok is True
    assert log_clusters(observed(logs=tuple(fresh)), "db").ok is True


def spans(trace: int, start: float, own_ms: float) -> list[Span]:
    """A request of api that spends `own_ms` of its own around a query of 5 ms."""
    root = Span(
        trace_id=f"t{trace}", span_id=f"r{trace}", service="api", operation="GET /", start=start, duration_ms=own_ms + 5
    )
    query = {"operation": "query", "start": start, "duration_ms": 5.0, "parent_id": f"r{trace}"}
    return [root, Span(trace_id=f"t{trace}", span_id=f"q{trace}", service="db", **query)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("own_ms", "hot"), [(90.0, True), (12.0, False)])
def test_where_traces_spend_their_time(own_ms: float, hot: bool) -> None:
    """Own time counts, not the time of what is called; too little growth says nothing."""
    before = [s for n in range(6) for s in spans(n, 500.0 + n, 10.0)]
    after = [s for n in range(6, 12) for s in spans(n, 980.0 + n, own_ms)]
    both = observed(spans=(*before, *after))
    assert trace_hotspot(both, "api").ok is not hot
    assert trace_hotspot(both, "db").ok is True
    assert bool(trace_hotspot(both, "api").values["hotspots"]) is hot


def test_metrics_that_went_off() -> None:
    """A latency that rose against its own past, at the service that is asked about."""
    times = tuple(float(t) for t in range(400, 1000, 5))
    values = tuple(0.05 + (t % 3) / 1000 if t < 955 else 2.0 for t in times)
    series = Series(service="api", metric="latency_p95", times=times, values=values)
    both = observed(series=(series,))
    assert metric_anomaly(both, "api").ok is False
    assert "latency_p95 went from" in metric_anomaly(both, "api").text
    assert metric_anomaly(both, "db").ok is True


def test_alerts_are_grouped_and_repetitions_counted() -> None:
    """The same episode from two deliveries is one alert; two sources of one group are named; resolved ones are left out."""
    one, again = alert(service="api"), alert(service="api", delivery_id="d2")
    other = alert(service="api", source="grafana", identity="slow", episode_id="slow@1")
    over = alert(service="api", identity="old", episode_id="old@1", status=AlertStatus.RESOLVED)
    found = alert_groups(observed(one, again, other, over), "api")
    (group,) = found.values["groups"]
    assert (group["alerts"], group["repeated"], group["sources"]) == (2, 1, ["generic", "grafana"])
    assert alert_groups(observed(one), "db").ok is True


def test_the_diagnosis_as_a_card() -> None:
    """Cause, evidence and the fields of a task card where there is a fault; empty, but there, where there is none."""
    full = Reading(
        probe="disk_usage",
        service="db",
        time=NOW,
        ok=False,
        text="full",
        values={"used_ratio": 1.0, "free_bytes": 0, "path": "/data"},
    )
    found = diagnosis(observed(readings=(full,)), "api")
    assert (found.ok, found.values["verdict"]) == (False, "fault")
    assert found.values["cause"]["fault_class"] == found.values["card"]["fault_domain"] == "disk_full"
    assert found.values["evidence"]["independent"] >= 1
    assert found.values["cause"]["falsify"]
    calm = diagnosis(observed(readings=(replace_ok(full),)), "api")
    assert (calm.ok, calm.values["causes"], calm.values["cause"]["fault_class"]) == (True, [], "")


def replace_ok(reading: Reading) -> Reading:
    return replace(reading, ok=True, values={"used_ratio": 0.2, "free_bytes": 10**9})


def test_names_are_no_probes() -> None:
    """An analysis may not hide a probe of the same name."""
    from tools.probes.runner import PROBES

    names = [analysis.name for analysis in ANALYSES]
    assert len(names) == len(set(names))
    assert not set(names) & {probe.name for probe in PROBES}
