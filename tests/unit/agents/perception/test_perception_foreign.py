"""Incidents of systems that nobody saw before: counted failures, percentages, other names, logs alone, no graph, no diffs."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.perception import diagnose
from agents.perception.attribution import attribute
from agents.perception.contrast import contrasts
from agents.perception.facts import Facts
from agents.perception.history import History, PastCase
from agents.perception.points import significance
from agents.perception.roles import Role, role_of
from agents.perception.symptoms import symptoms
from domain.alert import Change
from domain.bundle import AlertHint, AlertSignal, Bundle, Edge, LogLine, Series
from domain.diagnosis import DiagnosisVerdict

T0 = 1_700_000_000.0
NORMAL, ABNORMAL = (T0, T0 + 1190), (T0 + 1200, T0 + 1400)


def series(service: str, metric: str, before: float, after: float) -> Series:
    """A point per 10 s with a small ripple: 120 before, 20 during."""
    values = tuple((before if i < 120 else after) * (1 + 0.03 * math.sin(i)) for i in range(140))
    return Series(service=service, metric=metric, times=tuple(T0 + 10 * i for i in range(140)), values=values)


def bundle(*found: Series, **more: object) -> Bundle:
    """Three services without a graph, windows given."""
    whole = Bundle(id="foreign", normal=NORMAL, abnormal=ABNORMAL, services=("web", "shop", "store"), series=found)
    return replace(whole, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metric", "role"),
    [
        ("mrt", Role.LATENCY),
        ("rt_us", Role.LATENCY),
        ("http.server.requests.mean", Role.LATENCY),
        ("sr", Role.AVAILABILITY),
        ("tps", Role.TRAFFIC),
        ("workload", Role.TRAFFIC),
        ("diskio", Role.SATURATION),
        ("iowait", Role.SATURATION),
        ("load1", Role.SATURATION),
        ("sockets", Role.SATURATION),
        ("container_memory_pgfault", Role.SATURATION),
        ("node_interrupts", None),
        ("bytes_transferred", Role.TRAFFIC),
    ],
)
def test_short_names_and_near_misses(metric: str, role: Role | None) -> None:
    """Words of other houses are known, and an "err" inside of another word is no error."""
    assert role_of(metric) is role


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=3, max_size=30), st.integers(1, 20))
def test_significance_grows_with_failures_and_one_failure_is_none(before: list[int], failures: int) -> None:
    """Never negative, larger for more failures; a single one among quiet times stays below three deviations."""
    off = np.array(before, dtype=float)
    few, many = (significance(off, np.full(20, float(n))) for n in (failures, failures + 1))
    assert 0 <= few <= many + 1e-9
    assert (
        significance(np.zeros(12), np.array([0.1, 0.0, 0.0, 0.0]))
        < 3
        < significance(np.zeros(12), np.full(4, 0.3) * [1, 2, 1, 2])
    )


def test_three_of_four_are_no_single_failure() -> None:
    """A share tells at least how many requests it is of: two seconds in which most fail are seen, one lost request is not."""
    before = np.zeros(12)
    most = significance(before, np.array([0.75, 0.75]), all_of_them=1.0)
    assert most > 3.0 > significance(before, np.array([0.25, 0.0]), all_of_them=1.0)
    assert significance(before, np.array([75.0, 75.0]), all_of_them=100.0) == pytest.approx(most)
    assert significance(before, np.array([1.0]), all_of_them=1.0) < 3.0


def test_percentages_are_told_by_the_largest_value_of_the_metric_anywhere() -> None:
    """A service that never fails shares its metric's unit with one that does."""
    found = contrasts(
        bundle(series("web", "err_pct", 0.0, 0.4), series("shop", "err_pct", 0.0, 60.0)), Facts(bundle()).windows
    )
    assert {c.service: c.whole for c in found} == {"web": 100.0, "shop": 100.0}


def test_a_lonely_failure_accuses_nobody() -> None:
    """One failed request of a few is what normal times are made of."""
    calm = series("web", "error_ratio", 0.0, 0.0)
    lonely = replace(series("shop", "error_ratio", 0.0, 0.0), values=(*(0.0,) * 130, 0.1, *(0.0,) * 9))
    diagnosis = diagnose(bundle(calm, lonely))
    assert diagnosis.verdict is DiagnosisVerdict.HEALTHY
    assert diagnosis.hypotheses == []


def test_without_a_graph_the_origin_is_where_the_growth_is_largest() -> None:
    """All three gain the same; for the store it is most."""
    slow = [series(s, "mrt", base, base + 300) for s, base in (("web", 400.0), ("shop", 200.0), ("store", 20.0))]
    assert diagnose(bundle(*slow)).hypotheses[0].service == "store"


def test_more_use_for_more_requests_is_no_saturation() -> None:
    """Twice the requests explain twice the cpu."""
    busy = [series("shop", "tps", 100, 200), series("shop", "cpu", 0.2, 0.4), series("shop", "mrt", 20, 20)]
    assert diagnose(bundle(*busy)).hypotheses == []


def test_logs_alone_name_the_service_whose_pattern_vanished() -> None:
    """No spans: lines of one trace are one invocation; the shop stops saying what it always said."""
    lines = []
    for i in range(140):
        at, trace = T0 + 10 * i, f"t{i}"
        lines.append(LogLine(time=at, service="web", trace_id=trace, message="GET /cart handled"))
        lines.append(LogLine(time=at + 0.1, service="shop", trace_id=trace, message="cart loaded"))
        if i < 120:
            lines.append(LogLine(time=at + 0.2, service="shop", trace_id=trace, message="prices applied"))
    found = diagnose(bundle(logs=tuple(lines), edges=(Edge(caller="web", callee="shop"),)))
    assert found.hypotheses[0].service == "shop"


def change(name: str, at: float, summary: str) -> Change:
    """A commit of which nobody recorded the diff."""
    return Change(time=datetime.fromtimestamp(T0 + at, UTC), kind="commit", id=name, service="shop", summary=summary)


def test_of_two_changes_that_fit_alike_none_is_named() -> None:
    """Nobody can read them: both are shown, neither is accused."""
    told = bundle(
        series("shop", "mrt", 20, 90), changes_asked=True, alert=AlertHint(service="shop"),
        changes=(change("a1", 600, "rework basket"), change("b2", 900, "rework basket")),
    )  # fmt: skip
    claims = attribute(Facts(told))
    assert [c.change for c in claims] == [None]
    assert len(claims[0].signs) == 2


def past(number: int, kind: str) -> PastCase:
    """A past incident of the shop or the store, told by alerts that name its kind."""
    service = ("shop", "store")[number % 2]
    told = tuple(AlertSignal(service=service, kind="metric", name=f"{kind}-{i}", direction="up") for i in range(3))
    return PastCase(
        bundle=Bundle(id=f"{kind}-{number}", services=("shop", "store", "web"), signals=told),
        services=(service,),
        fault_class=kind,
    )


def test_a_history_of_another_system_teaches_nothing() -> None:
    """None of its alerts occur here: no past incident is cited."""
    history = History(cases=tuple(past(i, kind) for kind in ("leak", "loss") for i in range(8)))
    strange = Bundle(
        id="new", services=("shop", "web"), signals=(AlertSignal(service="shop", kind="metric", name="brand-new"),)
    )
    assert not any(e.kind == "case" for e in diagnose(strange, history=history).evidence)
    known = replace(past(1, "leak").bundle, id="again")
    assert diagnose(known, history=history).hypotheses[0].fault_class == "leak"


def test_what_many_services_show_now_and_then_is_no_trouble() -> None:
    """Spikes in one of twenty normal points: one of forty services has one now. A spike that never was before counts."""

    def spiky(name: str, now: bool, before: bool = True) -> Series:
        values = [100.0 if before and (i + int(name)) % 20 == 0 else 1.0 + 0.01 * (i % 3) for i in range(120)]
        return Series(
            service=name,
            metric="mrt",
            times=tuple(T0 + 10.0 * i for i in range(121)),
            values=(*values, 100.0 if now else 1.0),
        )

    def windows(*found: Series) -> Bundle:
        return replace(bundle(*found), abnormal=(T0 + 1200, T0 + 1210), services=tuple(s.service for s in found))

    usual = [spiky(str(i), i == 0) for i in range(40)]
    assert symptoms(Facts(windows(*usual))).felt == ()
    assert symptoms(Facts(windows(spiky("0", True, before=False), *usual[1:]))).felt != ()
