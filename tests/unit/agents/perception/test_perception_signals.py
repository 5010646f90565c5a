"""What signals alone say: excess over the call graph, pattern shifts, span timing, changes, past incidents, measures."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.perception import diagnose
from agents.perception.attribution import suspects
from agents.perception.baselines import baselines
from agents.perception.diffs import effect
from agents.perception.evaluate import Outcome, Table, Truth, measure, outcome
from agents.perception.facts import Facts
from agents.perception.history import History, PastCase
from agents.perception.patterns import g_statistic
from agents.perception.roles import Role, role_of
from agents.perception.templates import templates
from agents.perception.traces import covered, forest
from domain.alert import Change
from domain.bundle import AlertHint, AlertSignal, Bundle, Edge, LogLine, Series, Span
from domain.diagnosis import DiagnosisVerdict

T0 = 1_700_000_000.0


def series(service: str, metric: str, before: float, after: float, points: int = 200) -> Series:
    """One point per 10 s with a small ripple; the last tenth is the trouble."""
    edge = points * 9 // 10
    values = tuple((before if i < edge else after) * (1 + 0.02 * math.sin(i)) for i in range(points))
    return Series(service=service, metric=metric, times=tuple(T0 + 10 * i for i in range(points)), values=values)


def call_graph(slow: dict[str, tuple[float, float]]) -> Bundle:
    """web → shop → store, each with latency and requests."""
    return Bundle(
        id="graph", alert=AlertHint(service="web", metric="latency"), normal=(T0, T0 + 1790), abnormal=(T0 + 1800, T0 + 1990),
        services=("web", "shop", "store"), edges=(Edge(caller="web", callee="shop"), Edge(caller="shop", callee="store")),
        series=tuple(series(s, "latency|Average", *levels) for s, levels in slow.items())
        + tuple(series(s, "requests|Sum", 100, 100) for s in slow),
    )  # fmt: skip


def test_the_origin_of_added_latency_is_named_not_its_callers() -> None:
    """Callers that only wait are explained; the store that added the time is on top."""
    diagnosis = diagnose(call_graph({"web": (0.10, 0.90), "shop": (0.08, 0.88), "store": (0.02, 0.82)}))
    assert diagnosis.verdict is DiagnosisVerdict.FAULT
    assert diagnosis.hypotheses[0].service == "store"


def test_the_middle_is_named_when_its_callee_is_as_before() -> None:
    """A slow shop over an unchanged store is the shop's own doing."""
    diagnosis = diagnose(call_graph({"web": (0.10, 0.90), "shop": (0.08, 0.88), "store": (0.02, 0.02)}))
    assert diagnosis.hypotheses[0].service == "shop"


def test_quiet_levels_are_healthy() -> None:
    """Nothing moved: healthy, nobody accused."""
    diagnosis = diagnose(call_graph({"web": (0.10, 0.10), "shop": (0.08, 0.08), "store": (0.02, 0.02)}))
    assert diagnosis.verdict is DiagnosisVerdict.HEALTHY


def traced(slow_edge: bool = False, early_return: bool = False) -> Bundle:
    """Forty traces web → shop, half of them in the trouble; a slow edge, or a shop that returns early."""
    spans: list[Span] = []
    logs: list[LogLine] = []
    for i in range(40):
        bad, start, trace = i >= 20, T0 + 30 * i, f"t{i}"
        gap = 900.0 if slow_edge and bad else 2.0
        spans.append(
            Span(trace_id=trace, span_id=f"w{i}", service="web", operation="GET /", start=start, duration_ms=20 + gap)
        )
        spans.append(Span(trace_id=trace, span_id=f"c{i}", parent_id=f"w{i}", service="web", operation="call", start=start + 0.001,
                          duration_ms=10 + gap))  # fmt: skip
        spans.append(Span(trace_id=trace, span_id=f"s{i}", parent_id=f"c{i}", service="shop", operation="list", start=start + 0.002,
                          duration_ms=10 + i % 3))  # fmt: skip
        lines = ["Shop#10 begin 17"] if early_return and bad else ["Shop#10 begin 17", "Shop#20 done"]
        logs += [LogLine(time=start, service="shop", message=m, trace_id=trace, span_id=f"s{i}") for m in lines]
    return Bundle(
        id="traced", normal=(T0, T0 + 590), abnormal=(T0 + 600, T0 + 1200), services=("web", "shop"), spans=tuple(spans),
        logs=tuple(logs), edges=(Edge(caller="web", callee="shop"),),
    )  # fmt: skip


def test_time_lost_on_a_link_belongs_to_the_far_end() -> None:
    """A gap between caller and callee that grew is charged to the callee's link."""
    assert diagnose(traced(slow_edge=True)).hypotheses[0].service == "shop"


def test_a_vanished_pattern_names_the_service() -> None:
    """The shop stops saying what it always said at the end of a call."""
    top = diagnose(traced(early_return=True)).hypotheses[0]
    assert (top.service, top.indicator) == ("shop", "patterns")


def test_errors_that_ended_accuse_nobody() -> None:
    """A call that failed before and does not fail any more is no trouble; one that fails now is."""
    whole = traced()
    before, now = (
        replace(
            whole,
            spans=tuple(
                replace(s, status="error") if s.operation == "call" and (s.start < T0 + 595) is early else s
                for s in whole.spans
            ),
        )
        for early in (True, False)
    )
    assert diagnose(before).verdict is not DiagnosisVerdict.FAULT
    assert diagnose(now).verdict is DiagnosisVerdict.FAULT


@pytest.mark.parametrize(("level", "accused"), [("WARNING", False), ("INFO", True)])
def test_a_complaint_that_is_heard_no_more_accuses_nobody(level: str, accused: bool) -> None:
    """What a service always said and says no longer is a sign, unless it was a complaint."""
    whole = traced(early_return=True)
    logs = tuple(replace(line, level=level if "done" in line.message else "INFO") for line in whole.logs)
    assert (diagnose(replace(whole, logs=logs)).verdict is DiagnosisVerdict.FAULT) is accused


def test_unchanged_traces_accuse_nobody() -> None:
    """The same traces before and during: nobody is accused."""
    assert diagnose(traced()).verdict is not DiagnosisVerdict.FAULT


def test_templates_keep_code_locations_and_mask_the_rest() -> None:
    """A code location names the template; numbers and ids do not."""
    named = templates(["a.Service#42 took 17 ms", "took 17 ms for 9f8e7d6c5b4a", "took 99 ms for 1a2b3c4d5e6f"])
    assert named["a.Service#42 took 17 ms"] == "a.Service#42"
    assert named["took 17 ms for 9f8e7d6c5b4a"] == named["took 99 ms for 1a2b3c4d5e6f"]


@pytest.mark.parametrize(
    ("metric", "role"),
    [("latency|Average", Role.LATENCY), ("availability|Average", Role.AVAILABILITY), ("http_5xx_ratio", Role.ERRORS),
     ("CpuUsageRate(%)", Role.SATURATION), ("requests|Sum", Role.TRAFFIC), ("colour", None)],
)  # fmt: skip
def test_roles_follow_the_conventions(metric: str, role: Role | None) -> None:
    """A metric's role is read from its name."""
    assert role_of(metric) is role


@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 50), st.integers(1, 50))
def test_the_g_statistic_is_never_negative(k0: int, n0: int, k1: int, n1: int) -> None:
    """No change gives zero, any change a positive number, whichever side comes first."""
    k0, k1 = min(k0, n0), min(k1, n1)
    g = g_statistic(k0, n0, k1, n1)
    assert g >= -1e-6
    assert math.isclose(g, g_statistic(k1, n1, k0, n0), abs_tol=1e-6)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), max_size=8))
def test_covered_time_never_exceeds_the_whole(parts: list[tuple[float, float]]) -> None:
    """The union of parts inside an interval is at most the interval."""
    assert 0 <= covered((2.0, 8.0), parts) <= 6.0 + 1e-9


def test_span_trees_survive_cycles_and_orphans() -> None:
    """Spans that name each other or nobody as parent neither hang nor crash."""
    spans = (
        Span(trace_id="t", span_id="a", parent_id="b", service="x", operation="o", start=T0, duration_ms=1),
        Span(trace_id="t", span_id="b", parent_id="a", service="x", operation="o", start=T0, duration_ms=1),
        Span(trace_id="t", span_id="c", parent_id="zzz", service="x", operation="o", start=T0, duration_ms=1),
        Span(trace_id="t", span_id="d", parent_id="d", service="x", operation="o", start=T0, duration_ms=1),
    )
    assert len(forest(spans).invocations) >= 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=30))
@example([(0.0, 0.0), (1e107, 0.0), (1.5e107, 0.0), (6.3e-202, 0.0), (1.8e-275, 0.0)])
@example([(0.0, 0.0), (1.3685581165148106e132, 0.0), (3.8064286111311963e-177, 0.0), (1.863570268046895e-275, 0.0)])
def test_any_numbers_are_survived(points: list[tuple[float, float]]) -> None:
    """NaN, infinity, duplicates and disorder in a series give an answer, never a traceback."""
    odd = Series(service="x", metric="latency", times=tuple(t for t, _ in points), values=tuple(v for _, v in points))
    assert diagnose(Bundle(id="odd", series=(odd,))).schema_version == "1"


def test_an_empty_bundle_is_inconclusive() -> None:
    """Nothing known, nothing claimed."""
    diagnosis = diagnose(Bundle(id="empty"))
    assert (diagnosis.verdict, diagnosis.hypotheses) == (DiagnosisVerdict.INCONCLUSIVE, [])


DIFFS = [
    ("-\tl.mu.Lock()\n-\tdefer l.mu.Unlock()\n l.n++", ["limit.go"], "simplify counter", 0.7, 1.0),
    ("-  ttl: 15 * time.Minute,\n+  ttl: 15 * time.Second,", ["cache.go"], "adjust ttl", 0.9, 1.0),
    ("-  timeout: 3s\n+  timeout: 5s", ["s3.yaml"], "tune", 0.0, 0.5),
    ("-a { color: red }\n+a { color: blue }", ["web/site.css"], "restyle", 0.0, 0.1),
    ("-// old words\n+// new words", ["a.go"], "reword", 0.0, 0.2),
]


@pytest.mark.parametrize(("diff", "files", "summary", "low", "high"), DIFFS)
def test_a_diff_is_read_for_what_it_can_do(diff: str, files: list[str], summary: str, low: float, high: float) -> None:
    """Guards taken out and limits tightened are risky; loosened limits, comments and styles are not."""
    assert low <= effect(diff, files, summary).risk <= high


def changed(*, onset: float = T0 + 3600) -> Bundle:
    """Two commits rolled out to the same service: an old one that took a lock out, a new one that only tidied up."""

    def at(seconds: float) -> datetime:
        return datetime.fromtimestamp(onset - seconds, tz=UTC)

    return Bundle(
        id="changed", alert=AlertHint(service="shop", metric="error_ratio", summary="concurrent map writes", started_at=onset),
        onset=onset, services=("shop", "web"), changes_asked=True,
        signals=(AlertSignal(service="shop", kind="log", name="fatal error: concurrent map writes", text="count 9 change +9"),),
        changes=(
            Change(id="bad", kind="commit", time=at(900), summary="simplify counter", files=["limit.go"],
                   diff="-\tmu.Lock()\n-\tmu.Unlock()"),
            Change(id="tidy", kind="commit", time=at(200), summary="tidy handler", files=["h.go"],
                   diff="-\tx := a(b)\n+\ty := a(b)"),
            Change(id="late", kind="commit", time=at(-900), summary="drop limit", files=["l.go"], diff="-\tcheck(limit)"),
            Change(id="r1", kind="deploy", time=at(600), service="shop", version="1", commit="bad"),
            Change(id="r2", kind="deploy", time=at(120), service="shop", version="2", commit="tidy"),
        ),
    )  # fmt: skip


def test_the_change_that_could_do_it_is_named_not_the_last_one() -> None:
    """Time proximity is the decoy: the older commit that took the lock out is named."""
    assert diagnose(changed()).hypotheses[0].change == "bad"


def test_a_change_after_the_onset_is_never_near_the_top() -> None:
    """What came later cannot have caused it."""
    late = next(s for s in suspects(Facts(changed())) if s.change.id == "late")
    assert late.score < 0.2


def test_no_change_is_named_when_the_trouble_comes_from_outside() -> None:
    """A provider that fails leaves the commits alone, and the verdict says external."""
    base = changed()
    said = "s3 GetObject failed: ServiceUnavailable (503) region=x"
    outside = AlertSignal(service="shop", kind="log", name=said, text="change +50")
    metric = AlertHint(service="shop", metric="error_ratio", summary="provider S3 fails", started_at=T0 + 3600)
    bundle = Bundle(id="out", alert=metric,
                    onset=T0 + 3600, services=("shop",), changes_asked=True, signals=(outside,),
                    changes=tuple(c for c in base.changes if c.id in ("tidy", "r2")))  # fmt: skip
    diagnosis = diagnose(bundle)
    assert diagnosis.hypotheses[0].change == "none"
    assert diagnosis.verdict is DiagnosisVerdict.EXTERNAL


def test_quantiles_of_one_latency_are_one_alert() -> None:
    """Who waits has alerts on p50, p90 and p95; who has three different ones is more suspicious."""
    told = {"waits": ("rt_p50", "rt_p90", "rt_p95", "qps"), "broken": ("mem", "cpu", "disk")}
    signals = tuple(AlertSignal(service=s, kind="metric", name=n) for s, names in told.items() for n in names)
    ranked = diagnose(Bundle(id="q", services=tuple(told), signals=signals)).hypotheses
    assert [h.service for h in ranked] == ["broken", "waits"]


def past(number: int) -> tuple[Bundle, str, str]:
    """An incident whose origin has a log alert of its own and whose kind shows in a metric alert."""
    service, kind = ("a", "b", "c")[number % 3], ("kill", "delay")[number % 2]
    signals = [AlertSignal(service=s, kind="metric", name="net", direction="up") for s in ("a", "b", "c")]
    signals.append(AlertSignal(service=service, kind="log", name=f"{service}-74"))
    signals.append(AlertSignal(service=service, kind="metric", name="mem" if kind == "kill" else "p50", direction="up"))
    return Bundle(id=f"p{number}", services=("a", "b", "c"), signals=tuple(signals)), service, kind


def test_past_incidents_teach_service_and_kind() -> None:
    """A history of the same pattern names the service and its label, and a case is not learned from while it is diagnosed."""
    cases = tuple(PastCase(bundle=b, services=(s,), fault_class=k) for b, s, k in map(past, range(24)))
    history = History(cases=cases)
    bundle, service, kind = past(30)
    top = diagnose(bundle, history=history).hypotheses[0]
    assert (top.service, top.fault_class) == (service, kind)
    assert diagnose(cases[0].bundle, history=history).hypotheses[0].service == cases[0].services[0]
    assert set(history._trained) == {"", "p0"}


def test_measures_of_a_small_table() -> None:
    """Places, misses, calibration and specificity are counted as defined."""
    truth = Truth(services=("a",), fault_class="crash", change="none", decoys=("d",))
    found = measure([
        Outcome(case="1", truth=truth, ranking=("a", "b"), confidence=1.0, fault_class="crash", change="none"),
        Outcome(case="2", truth=truth, ranking=("b", "a"), confidence=0.0, fault_class="hang", change="d"),
        Outcome(case="3", truth=truth, ranking=(), confidence=0.0),
        Outcome(case="4", truth=Truth(healthy=True), ranking=(), verdict="healthy"),
    ])  # fmt: skip
    assert [found["AC@1"], found["AC@3"]] == pytest.approx([1 / 3, 2 / 3])
    assert found["MAR"] == pytest.approx(13 / 3)
    assert (found["brier"], found["ECE"], found["specificity"]) == (0.0, 0.0, 1.0)
    assert [found["change"], found["decoys"]] == pytest.approx([1 / 3, 1 / 3])


def test_baselines_rank_the_same_bundle() -> None:
    """Every baseline answers, and the table prints engine and baselines side by side."""
    bundle = call_graph({"web": (0.10, 0.90), "shop": (0.08, 0.88), "store": (0.02, 0.82)})
    truth = Truth(services=("store",))
    rows = {"engine": measure([outcome("g", diagnose(bundle), truth)])}
    for name, rank in baselines().items():
        rows[name] = measure([Outcome(case="g", truth=truth, ranking=tuple(rank(bundle)))])
    assert rows["engine"]["AC@1"] == 1.0
    assert len(Table(rows=rows).lines()) == 1 + len(rows)
