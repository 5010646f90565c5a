"""Who cannot be seen himself: callees of which nothing was measured, and metrics that only their callers have."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.perception import diagnose
from agents.perception.counters import levels
from agents.perception.facts import Facts
from agents.perception.roles import fills_by_waiting
from agents.perception.unseen import AT_LEAST, telling, unseen
from domain.bundle import AlertHint, Bundle, Edge, LogLine, Node, Series
from domain.diagnosis import Diagnosis, DiagnosisVerdict

T0 = 1_700_000_000.0
NORMAL, TROUBLE = (T0, T0 + 1790), (T0 + 1800, T0 + 1990)
NAMES = ("web", "cart", "mail", "ads", "geo", "tax", "quote", "store")


def series(service: str, metric: str, before: float, after: float) -> Series:
    """A point per 10 s: 180 before, 20 during."""
    values = tuple((before if i < 180 else after) * (1 + 0.02 * math.sin(i)) for i in range(200))
    return Series(service=service, metric=metric, times=tuple(T0 + 10 * i for i in range(200)), values=values)


def calls(*pairs: str) -> tuple[Edge, ...]:
    """`web>cart` and so on."""
    return tuple(Edge(caller=p.split(">")[0], callee=p.split(">")[1]) for p in pairs)


def system(edges: Sequence[Edge], latency: dict[str, tuple[float, float]], *more: Series, **fields: object) -> Bundle:
    """A latency for each service of `latency`; `store` has none unless named there."""
    told = {
        "services": NAMES,
        "normal": NORMAL,
        "abnormal": TROUBLE,
        "alert": AlertHint(service="web", metric="latency"),
    }
    rows = tuple(series(s, "latency_seconds", *level) for s, level in latency.items())
    return Bundle(id="unseen", edges=tuple(edges), series=(*rows, *more), **(told | fields))  # type: ignore[arg-type]


AS_EVER = dict.fromkeys(NAMES[3:7], (0.05, 0.05))
SLOW = {"web": (0.20, 1.20), "cart": (0.05, 0.55), "mail": (0.05, 0.55)}
GRAPH = calls("web>cart", "web>mail", "cart>store", "mail>store", "web>ads", "ads>geo", "geo>tax", "tax>quote")


def first(diagnosis: Diagnosis) -> str:
    """The leading suspect."""
    return diagnosis.hypotheses[0].service


def test_the_unseen_callee_that_slow_callers_have_in_common_is_the_suspect() -> None:
    """Cart and mail are slow, nothing of the store was measured, and all that they call otherwise is as ever."""
    blind = diagnose(system(GRAPH, AS_EVER | SLOW))
    assert first(blind) == "store"
    assert "2 of its 2 callers are slow" in blind.hypotheses[0].statement
    seen = diagnose(system(GRAPH, AS_EVER | SLOW | {"store": (0.01, 0.51)}))
    assert first(seen) == "store"
    assert blind.confidence < seen.confidence


def test_an_unseen_callee_is_refuted_by_a_probe_of_it() -> None:
    """The cheapest look that would clear it is the first one proposed."""
    assert diagnose(system(GRAPH, AS_EVER | SLOW)).next_probes[0].service == "store"


def test_who_is_seen_and_explains_everything_is_accused_and_nobody_unseen() -> None:
    """Cart is slow because of tax, which it calls as well and which is measured."""
    edges = calls("web>cart", "cart>store", "cart>tax", "web>ads")
    diagnosis = diagnose(system(edges, AS_EVER | {"web": (0.2, 0.7), "cart": (0.05, 0.55), "tax": (0.01, 0.51)}))
    assert first(diagnosis) == "tax"
    assert all(h.confidence < 0.1 for h in diagnosis.hypotheses if h.service == "store")


def test_what_passes_through_an_unseen_service_is_explained_below_it() -> None:
    """Cart waits for the store, of which nothing was measured, and that for tax, which is slow."""
    edges = calls("web>cart", "cart>store", "store>tax", "web>ads")
    diagnosis = diagnose(system(edges, AS_EVER | {"web": (0.2, 0.7), "cart": (0.05, 0.55), "tax": (0.01, 0.51)}))
    assert first(diagnosis) == "tax"


def test_callers_that_are_as_ever_speak_for_the_unseen_callee() -> None:
    """Only cart is slow; mail, ads and geo call the store too and wait no longer than before."""
    edges = calls("web>cart", "cart>store", "mail>store", "ads>store", "geo>store")
    latency = AS_EVER | {"web": (0.2, 0.7), "cart": (0.05, 0.55), "mail": (0.05, 0.05)}
    assert first(diagnose(system(edges, latency))) == "cart"


@pytest.mark.parametrize(("busy", "suspect"), [(0.95, "cart"), (0.2, "store")])
def test_the_callers_own_resources_tell_whose_doing_it_is(busy: float, suspect: str) -> None:
    """A busy processor is the caller's own work; open connections are what waiting looks like."""
    edges = calls("web>cart", "cart>store", "web>ads")
    latency = AS_EVER | {"web": (0.2, 0.7), "cart": (0.05, 0.55), "mail": (0.05, 0.05)}
    own = (series("cart", "cpu_usage_ratio", 0.2, busy), series("cart", "http_connections_open", 20, 95))
    assert first(diagnose(system(edges, latency, *own))) == suspect
    assert fills_by_waiting("http_connections_open")
    assert not fills_by_waiting("cpu_usage_ratio")


@pytest.mark.parametrize("services", [NAMES, NAMES[:-1]])
def test_nobody_is_sure_of_a_suspect_while_somebody_he_may_wait_for_is_out_of_sight(services: tuple[str, ...]) -> None:
    """Without a call graph anybody may be behind it: only where all were seen is the tax service believed as sure."""
    latency = AS_EVER | {"web": (0.20, 0.90), "cart": (0.05, 0.75), "mail": (0.05, 0.05), "tax": (0.01, 0.71)}
    diagnosis = diagnose(system((), latency, services=services))
    assert first(diagnosis) == "tax"
    assert (diagnosis.confidence >= 0.8) is ("store" not in services)


@pytest.mark.parametrize("services", [NAMES, NAMES[:-1]])
def test_nobody_is_sure_of_health_while_a_service_is_out_of_sight(services: tuple[str, ...]) -> None:
    """All that is measured is as ever; of the store there is nothing."""
    diagnosis = diagnose(system(GRAPH, dict.fromkeys(NAMES[:-1], (0.05, 0.05)), services=services))
    assert diagnosis.verdict is DiagnosisVerdict.HEALTHY
    assert (diagnosis.confidence >= 0.8) is ("store" not in services)


def test_complaints_that_name_the_unseen_callee_count() -> None:
    """The same excess, and the caller says whom it could not reach."""
    edges = calls("web>cart", "cart>store", "cart>quote", "web>ads")
    latency = {s: v for s, v in AS_EVER.items() if s != "quote"} | {"web": (0.2, 0.7), "cart": (0.05, 0.55)}
    lines = tuple(
        LogLine(time=T0 + 1850 + i, service="cart", message="dial tcp: lookup store.shop.svc: i/o timeout")
        for i in range(5)
    )
    quiet, said = diagnose(system(edges, latency)), diagnose(system(edges, latency, logs=lines))
    assert [h.service for h in said.hypotheses].index("store") < [h.service for h in said.hypotheses].index("quote")
    assert first(quiet) == "cart"


def test_blindness_tells_the_more_the_rarer_it_is() -> None:
    """One unseen of eight is telling; a store is measured by other means than services are, or by none."""
    rows = [series(s, "latency_seconds", 1, 1) for s in NAMES[:7]]
    rare = Facts(Bundle(id="i", services=NAMES, series=tuple(rows)))
    usual = Facts(Bundle(id="i", services=NAMES, series=tuple(rows[:2])))
    apart = Facts(Bundle(id="i", services=NAMES, series=tuple(rows), nodes=(Node(name="store", kind="database"),)))
    assert telling(rare, "store") == pytest.approx(1.7)
    assert telling(rare, "store") > telling(usual, "store") > telling(apart, "store") == 1.0
    assert telling(rare, "web") > 1.0


def test_parts_of_a_callers_excess_never_exceed_it() -> None:
    """Two unseen callees share with the caller; one caller alone keeps what their odds leave."""
    facts = Facts(system(calls("web>store", "web>mail", "ads>geo"), AS_EVER | {"web": (0.2, 0.7)}))
    found = unseen(facts, {"web": 1.0}, set(), {})
    assert {u.service for u in found} == {"store", "mail"}
    assert 0 < sum(u.parts["web"] for u in found) < 1
    assert unseen(facts, {"web": 0.1}, set(), {})[0].parts["web"] == 0.0
    assert AT_LEAST < 1


def test_what_callers_measure_of_their_calls_speaks_of_the_callee() -> None:
    """A mesh tells cart's calls apart by their destination: those to the store got slow, those to tax are as ever."""
    edges = calls("web>cart", "cart>store", "cart>tax", "web>ads")
    name = 'request_duration_seconds{reporter="source",destination_service="%s.shop.svc.cluster.local"}'
    mesh = (series("cart", name % "store", 0.01, 0.51), series("cart", name % "tax", 0.01, 0.01))
    latency = {"web": (0.2, 0.7), "cart": (0.05, 0.55), "ads": (0.05, 0.05)}
    diagnosis = diagnose(system(edges, latency, *mesh))
    assert first(diagnosis) == "store"
    cited = {e.id: e for e in diagnosis.evidence}
    assert cited[diagnosis.hypotheses[0].evidence[0]].source == "metrics:cart"
    assert all(h.confidence < 0.2 for h in diagnosis.hypotheses if h.service == "tax")


def test_labelled_counters_and_histograms_are_read_as_rates_and_means() -> None:
    """Labels after the name change nothing of what it promises."""
    times = tuple(float(10 * i) for i in range(10))
    rows = [
        Series(
            service="a",
            metric=f'request_seconds_{kind}{{to="b"}}',
            times=times,
            values=tuple(by * i for i in range(10)),
        )
        for kind, by in (("sum", 0.5), ("count", 5.0))
    ]
    found = {s.metric.partition("{")[0]: s.values[0] for s in levels(rows)}
    assert found == {"request_seconds_sum": 0.05, "request_seconds_count": 0.5, "request_seconds_mean": 0.1}


PAIRS = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=25)


@settings(max_examples=60, deadline=None)
@given(
    pairs=PAIRS,
    slow=st.dictionaries(st.sampled_from(NAMES), st.floats(0.001, 1.0)),
    calm=st.sets(st.sampled_from(NAMES)),
)
def test_nobody_cedes_more_than_he_has(pairs: set[tuple[str, str]], slow: dict[str, float], calm: set[str]) -> None:
    """Whatever the graph: parts are shares, a caller keeps some, and only who was not measured gets any."""
    edges = tuple(Edge(caller=a, callee=b) for a, b in sorted(pairs))
    rows = tuple(series(s, "latency_seconds", 1, 1) for s in sorted({*slow, *calm}))
    facts = Facts(Bundle(id="any", services=NAMES, edges=edges, series=rows))
    found = unseen(facts, slow, calm - slow.keys(), {})
    assert not {u.service for u in found} & facts.measured
    for caller in slow:
        assert 0 <= sum(u.parts.get(caller, 0.0) for u in found) < 1
