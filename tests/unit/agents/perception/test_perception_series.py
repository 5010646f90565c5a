"""Series as they come: counters, silence, names of other conventions, missing windows, services of which nothing was seen."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from agents.perception import diagnose
from agents.perception.counters import levels, rate
from agents.perception.facts import Facts
from agents.perception.onset import stretch
from agents.perception.roles import Role, is_ratio, role_of
from agents.perception.silence import silent
from agents.perception.traces import whole_traces
from agents.perception.windows import find_windows
from benchmarks.diagnosis.rows import Row
from domain.bundle import AlertHint, Bundle, Edge, LogLine, Series, Span
from domain.diagnosis import DiagnosisVerdict

T0 = 1_700_000_000.0
EDGES = (Edge(caller="web", callee="shop"), Edge(caller="shop", callee="store"))


def series(service: str, metric: str, before: float, after: float | None) -> Series:
    """A point per 10 s: 180 before, 20 during (none where `after` is None)."""
    values = [before * (1 + 0.02 * math.sin(i)) for i in range(180)]
    values += [] if after is None else [after * (1 + 0.02 * math.sin(i)) for i in range(20)]
    return Series(
        service=service, metric=metric, times=tuple(T0 + 10 * i for i in range(len(values))), values=tuple(values)
    )


def bundle(*found: Series, **more: object) -> Bundle:
    """web → shop → store with these series; the last 200 s are the trouble."""
    fields = {
        "normal": (T0, T0 + 1790),
        "abnormal": (T0 + 1800, T0 + 1990),
        "alert": AlertHint(service="web", metric="errors"),
    }
    return Bundle(id="series", services=("web", "shop", "store"), edges=EDGES, series=found, **(fields | more))  # type: ignore[arg-type]


def test_a_counter_is_read_as_its_rate_and_a_restart_is_bridged() -> None:
    """0, 10, 20, then a reset to 5: ten, ten and five per ten seconds."""
    counter = Series(service="a", metric="requests_total", times=(0, 10, 20, 30), values=(0, 10, 20, 5))
    assert rate(counter).values == (1.0, 1.0, 0.5)


def test_sum_and_count_give_a_mean() -> None:
    """A histogram's sum over its count is the mean latency."""
    times = tuple(float(10 * i) for i in range(10))
    total = Series(service="a", metric="request_seconds_sum", times=times, values=tuple(0.5 * i for i in range(10)))
    count = Series(service="a", metric="request_seconds_count", times=times, values=tuple(5.0 * i for i in range(10)))
    found = {s.metric: s for s in levels([total, count])}
    assert set(found["request_seconds_mean"].values) == {0.1}


def test_a_gauge_that_only_grows_stays_a_gauge() -> None:
    """Names decide: a leak grows as well."""
    leak = Series(service="a", metric="memory_bytes", times=tuple(range(20)), values=tuple(float(i) for i in range(20)))
    assert levels([leak]) == [leak]


def test_who_falls_silent_while_callers_fail_is_named() -> None:
    """The store reports nothing any more and the shop's requests fail."""
    found = bundle(
        series("web", "error_ratio", 0.001, 0.5), series("shop", "error_ratio", 0.001, 0.55),
        series("shop", "requests_per_second", 20, 20), series("store", "cpu_usage", 0.3, None),
        series("store", "error_ratio", 0.001, None), series("web", "requests_per_second", 20, 20),
    )  # fmt: skip
    diagnosis = diagnose(found)
    assert diagnosis.hypotheses[0].service == "store"
    assert "silent" in next(e.excerpt for e in diagnosis.evidence if e.id == diagnosis.hypotheses[0].evidence[0])


def test_a_collector_that_stopped_silences_nobody_in_particular() -> None:
    """All series end: no service is singled out."""
    found = bundle(*(series(s, "cpu_usage", 0.3, None) for s in ("web", "shop", "store")))
    assert silent(Facts(found)) == []


def test_a_callee_that_nobody_calls_is_not_the_silent_one() -> None:
    """The shop is silent, so its store is called by nobody."""
    found = bundle(series("web", "error_ratio", 0.001, 0.5), *(series(s, "hits", 9, None) for s in ("shop", "store")),
                   series("web", "hits", 9, 9), *(series(s, "cpu", 9, 9) for s in ("web", "aside", "other")))  # fmt: skip
    assert [s.service for s in silent(Facts(found))] == ["shop"]


@pytest.mark.parametrize(
    ("metric", "role"),
    [
        ("TargetResponseTime", Role.LATENCY),
        ("http.server.request.duration", Role.LATENCY),
        ("trace.servlet.request.duration.by.service", Role.LATENCY),
        ("HTTPCode_5XX_Rate", Role.ERRORS),
        ("trace.servlet.request.errors.percent", Role.ERRORS),
        ("trace.servlet.request.success.rate", Role.AVAILABILITY),
        ("trace.servlet.request.hits", Role.TRAFFIC),
        ("CPUUtilization", Role.SATURATION),
        ("container.cpu.utilization", Role.SATURATION),
        ("RequestCount", Role.TRAFFIC),
    ],
)
def test_a_name_is_read_as_words(metric: str, role: Role) -> None:
    """Camel case, dots and underscores alike."""
    assert role_of(metric) is role
    assert is_ratio("success.percent")


def test_the_stretch_that_differs_is_found_without_windows_or_onset() -> None:
    """Twenty minutes in an hour, found to a few steps."""
    found = bundle(
        series("web", "latency", 0.1, 0.9),
        series("shop", "latency", 0.08, 0.88),
        normal=None,
        abnormal=None,
        alert=None,
    )
    window = stretch(found)
    assert window is not None
    assert abs(window[0] - (T0 + 1800)) <= 20
    assert find_windows(found).abnormal == window


def test_noise_holds_no_stretch() -> None:
    """The best of many stretches of noise is not called one."""
    rng = random.Random(5)
    values = tuple(rng.gauss(1.0, 0.1) for _ in range(200))
    noise = Series(service="web", metric="latency", times=tuple(T0 + 10 * i for i in range(200)), values=values)
    assert stretch(bundle(noise, normal=None, abnormal=None, alert=None)) is None


def test_the_normal_time_may_lie_after_the_trouble() -> None:
    """Only the trouble is told, at the very beginning of the data: what follows is normal."""
    found = bundle(series("web", "latency", 0.1, 0.1), normal=None, abnormal=(T0, T0 + 100))
    assert find_windows(found).normal[1] == T0 + 1990


def test_a_callee_of_which_nothing_was_seen_is_a_rival_and_lowers_confidence() -> None:
    """Without any series of the store, the shop's own doing and the store's are both possible."""
    slow = (series("web", "latency", 0.1, 0.9), series("shop", "latency", 0.08, 0.88))
    alert = AlertHint(service="web", metric="latency")
    seen = diagnose(bundle(*slow, series("store", "latency", 0.02, 0.02), alert=alert))
    unseen = diagnose(bundle(*slow, alert=alert))
    assert [h.service for h in unseen.hypotheses[:2]] == ["shop", "store"]
    assert unseen.confidence < seen.confidence


def test_calls_are_learned_from_spans_where_nobody_tells_them() -> None:
    """A child of another service is a call."""
    spans = (
        Span(trace_id="t", span_id="1", service="web", operation="GET /", start=T0, duration_ms=9),
        Span(trace_id="t", span_id="2", parent_id="1", service="shop", operation="list", start=T0, duration_ms=5),
    )
    assert Facts(replace(bundle(), edges=(), spans=spans)).callees("web") == ["shop"]


def test_a_loud_resource_of_a_service_that_serves_as_ever_is_not_blamed() -> None:
    """The store computes much and answers as before; the shop fails."""
    found = bundle(
        series("web", "error_ratio", 0.001, 0.3), series("shop", "error_ratio", 0.001, 0.35),
        series("store", "cpu_usage", 0.1, 0.95), series("store", "error_ratio", 0.001, 0.001),
    )  # fmt: skip
    diagnosis = diagnose(found)
    assert diagnosis.verdict is DiagnosisVerdict.FAULT
    assert diagnosis.hypotheses[0].service == "shop"


def short(service: str, metric: str, before: list[float], during: list[float]) -> Series:
    """A point per 10 s that ends where the trouble of `bundle` has just begun."""
    values = [*before, *during]
    times = tuple(T0 + 1800 + 10 * (i - len(before)) for i in range(len(values)))
    return Series(service=service, metric=metric, times=times, values=tuple(values))


JUST_BEGUN = {"normal": (T0 + 1740, T0 + 1790), "abnormal": (T0 + 1800, T0 + 1810)}
CALM = [0.10, 0.11, 0.10, 0.09, 0.10, 0.11]
LATENCY = "latency_avg_seconds"


def test_six_points_before_and_two_during_are_enough() -> None:
    """Nothing so far off was seen in a short history, and its spread says how unlikely that is."""
    found = bundle(short("store", LATENCY, CALM, [0.9, 1.0]), short("shop", LATENCY, CALM, [0.9, 1.0]),
                   short("web", LATENCY, CALM, [0.95, 1.05]), **JUST_BEGUN)  # fmt: skip
    diagnosis = diagnose(found)
    assert diagnosis.verdict is not DiagnosisVerdict.HEALTHY
    assert diagnosis.hypotheses[0].service == "store"
    longer = bundle(*(series(s, LATENCY, 0.1, 1.0 + 0.05 * (s == "web")) for s in ("store", "shop", "web")))
    assert diagnose(longer).confidence > diagnosis.confidence + 0.2


def test_a_short_history_that_swings_as_much_accuses_nobody() -> None:
    """Two points that a short history has shown as well are no trouble."""
    swings = [0.1, 0.9, 0.2, 1.0, 0.1, 0.9]
    calm = diagnose(bundle(*(short(s, LATENCY, swings, [0.9, 1.0]) for s in ("web", "shop", "store")), **JUST_BEGUN))
    assert calm.verdict is DiagnosisVerdict.HEALTHY


def test_two_missing_reports_are_silence_where_others_report() -> None:
    """One is easily late; of two that others of the same pace gave none is chance."""
    gone = [short("store", m, CALM, []) for m in ("cpu", "error_ratio")]
    others = [short(s, m, CALM, [0.1, 0.1]) for s in ("web", "shop") for m in ("cpu", "error_ratio")]
    assert [s.service for s in silent(Facts(bundle(*gone, *others, **JUST_BEGUN)))] == ["store"]
    late = [replace(s, times=s.times[:-1], values=s.values[:-1]) for s in others]
    assert silent(Facts(bundle(*gone, *late, **JUST_BEGUN))) == []


def test_a_silence_is_believed_as_far_as_it_is_no_chance() -> None:
    """Two missing reports of what now and then misses one tell less than two of what never did."""
    gone = [short("store", "cpu", CALM, [])]
    others = [short(s, "cpu", CALM, [0.1, 0.1]) for s in ("web", "shop", "cart", "mail")]
    (regular,) = silent(Facts(bundle(*gone, *others, **JUST_BEGUN)))
    restless = [replace(s, times=(*s.times[:2], *s.times[3:]), values=(*s.values[:2], *s.values[3:])) for s in others]
    (doubtful,) = silent(Facts(bundle(*gone, restless[0], *others[1:], **JUST_BEGUN)))
    assert (regular.before, regular.steps) == (6, 2)
    assert 0 < doubtful.sure < regular.sure < 1


def test_who_calls_the_silent_one_is_no_rival() -> None:
    """Failures, waiting and complaints of its caller are put down to it."""
    found = bundle(
        series("web", "error_ratio", 0.001, 0.5), series("shop", "error_ratio", 0.001, 0.9),
        series("shop", "connections", 20, 400), series("store", "error_ratio", 0.001, None),
        series("store", "cpu_usage", 0.3, None),
    )  # fmt: skip
    first = diagnose(found).hypotheses[0]
    assert first.service == "store"
    assert first.confidence > 0.8


def test_a_callee_that_clearly_leads_need_not_be_clear_itself() -> None:
    """Between two and three deviations count where the caller is clearly off (hysteresis)."""
    wobbling = [0.1 + 0.03 * (-1) ** i for i in range(6)]
    found = bundle(
        short("shop", LATENCY, CALM, [0.2, 0.22]), short("store", LATENCY, wobbling, [0.2, 0.22]), **JUST_BEGUN
    )
    assert diagnose(found).hypotheses[0].service == "store"
    unlinked = diagnose(replace(found, edges=(EDGES[0],)))
    assert unlinked.hypotheses[0].service == "shop"


def test_lines_alone_do_not_measure_a_callee() -> None:
    """A callee of which there are lines and no numbers may be where the time goes."""
    lines = tuple(LogLine(time=T0 + 100 * i, service="store", message="served") for i in range(20))
    found = bundle(series("shop", LATENCY, 0.1, 1.0), series("web", LATENCY, 0.12, 1.02), logs=lines)
    assert {h.service for h in diagnose(found).hypotheses} >= {"shop", "store"}


def test_a_service_that_nobody_measures_makes_less_sure() -> None:
    """It may be meant as well: what the first calls, or any service where no graph is known."""
    seen = [series("shop", LATENCY, 0.1, 1.0), series("web", LATENCY, 0.12, 1.02)]
    whole = diagnose(bundle(*seen, series("store", LATENCY, 0.05, 0.05)))
    assert whole.hypotheses[0].service == "shop"
    assert diagnose(bundle(*seen)).confidence < whole.confidence - 0.3
    assert diagnose(replace(bundle(*seen), edges=())).confidence < whole.confidence - 0.3


def test_spans_whose_parents_are_lost_are_counted() -> None:
    """One of two spans is torn off; no spans are whole."""
    kept = [
        Span(trace_id="t", span_id=name, parent_id=parent, service="web", operation="get", start=T0, duration_ms=1.0)
        for name, parent in (("a", ""), ("b", "gone"))
    ]
    assert whole_traces(kept) == 0.5
    assert whole_traces([]) == 1.0


def test_variants_of_a_case_are_held_back_together() -> None:
    """A window cut out of a case is fitted on exactly where the case is."""
    rows = [Row("d", f"case-{i}{tail}", "as given", {}, True, False) for i in range(40) for tail in ("", ":fault-free")]
    assert {r.family for r in rows if r.held}.isdisjoint({r.family for r in rows if not r.held})
    assert 0 < sum(r.held for r in rows) < len(rows) / 2


def test_of_two_signs_of_failure_the_one_that_is_clear_counts() -> None:
    """An alert came five seconds late: the check from outside has too little history left to deviate, the share of errors has."""
    ratio = (*(0.0 for _ in range(17)), *(0.7 for _ in range(8)))
    up = (*(1.0 for _ in range(12)), *(0.0 for _ in range(8)))
    seen = (
        Series(service="api", metric="error_ratio", times=tuple(T0 + i for i in range(25)), values=ratio),
        Series(service="api", metric='probe_up{probe="front"}', times=tuple(T0 + 5 + i for i in range(20)), values=up),
    )
    found = diagnose(
        Bundle(
            id="late",
            services=("api",),
            series=seen,
            normal=(T0 - 600, T0 + 22),
            abnormal=(T0 + 22, T0 + 25),
            alert=AlertHint(service="api", summary="failing"),
        )
    )
    assert [h.service for h in found.hypotheses] == ["api"]
    assert any("error_ratio" in e.excerpt for e in found.evidence)
