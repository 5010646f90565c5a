"""Who cannot be seen himself: blind callees, calls that vanish from traces, peers without spans, timing from lines alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from agents.perception import diagnose
from agents.perception.counters import levels
from agents.perception.facts import Facts
from agents.perception.orphans import adopted
from agents.perception.patterns import shifts
from agents.perception.peers import peer_of
from agents.perception.roles import fills_by_waiting
from agents.perception.timing import slower
from agents.perception.traces import Forest, forest, whole_traces
from agents.perception.unseen import AT_LEAST, telling, unseen
from agents.perception.vanished import vanished
from agents.perception.visits import visits
from domain.bundle import AlertHint, Bundle, Edge, LogLine, Node, Series, Span
from domain.diagnosis import Diagnosis

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


def trace(
    number: int, at: float, *, reached: bool, failed: bool = False, callers: Sequence[str] = ("cart", "mail")
) -> list[Span]:
    """web calls each of `callers`, each of which calls the store where that is reached."""
    t = f"t{number}"
    found = [Span(trace_id=t, span_id=f"{t}w", service="web", operation="get", start=at, duration_ms=9)]
    for c in callers:
        found.append(Span(trace_id=t, span_id=f"{t}{c}", parent_id=f"{t}w", service=c, operation="list", start=at, duration_ms=4,
                          status="ERROR" if failed else "OK"))  # fmt: skip
        if reached:
            found.append(Span(trace_id=t, span_id=f"{t}{c}s", parent_id=f"{t}{c}", service="store", operation="read", start=at,
                              duration_ms=1))  # fmt: skip
    return found


def traced(*, failed: bool, callers: Sequence[str] = ("cart", "mail"), **fields: object) -> Bundle:
    """Forty traces in normal times that reach the store, twenty in the trouble that do not."""
    spans = [s for i in range(40) for s in trace(i, T0 + 40 * i, reached=True, callers=callers)]
    spans += [s for i in range(40, 60) for s in trace(i, T0 + 1800 + i, reached=False, failed=failed, callers=callers)]
    return Bundle(id="traces", services=NAMES, normal=NORMAL, abnormal=TROUBLE, spans=tuple(spans), **fields)  # type: ignore[arg-type]


def test_a_service_that_no_call_reaches_any_more_is_named() -> None:
    """Both callers run on and fail; of the store there is no span any more."""
    diagnosis = diagnose(traced(failed=True))
    assert first(diagnosis) == "store"
    assert "no call reaches it" in diagnosis.hypotheses[0].statement


def test_a_single_caller_that_stops_calling_may_be_to_blame_itself() -> None:
    """Without failures it simply calls no more; with failures either is possible; with a line of the store it lives."""
    alone = ("cart",)
    judged = {failed: vanished(*_forest(traced(failed=failed, callers=alone))) for failed in (True, False)}
    assert [v.sure for v in judged[True]] == [0.5]
    assert judged[False] == []
    line = LogLine(time=T0 + 1900, service="store", message="still here")
    assert vanished(*_forest(traced(failed=True, logs=(line,)))) == []


def _forest(bundle: Bundle) -> tuple[Facts, Forest]:
    return Facts(bundle), forest(bundle.spans)


@pytest.mark.parametrize(
    "attributes",
    [
        {"peer.service": "store"},
        {"server.address": "store.shop.svc.cluster.local"},
        {"net.peer.name": "store:8080"},
        {"url.full": "http://store:8080/read?x=1"},
    ],
)
def test_the_other_end_of_a_call_is_read_from_its_attributes(attributes: dict[str, str]) -> None:
    """By OpenTelemetry's names, old and new; one's own address is no other end."""
    facts = Facts(Bundle(id="i", services=NAMES))
    span = Span(
        trace_id="t", span_id="a", service="cart", operation="GET", start=T0, duration_ms=1, attributes=attributes
    )
    assert peer_of(facts, span) == "store"
    assert peer_of(facts, replace(span, service="store")) == ""
    assert peer_of(facts, replace(span, attributes={"http.url": "http://[bad"})) == ""


def test_failing_calls_to_a_service_without_spans_are_its_own_and_not_the_callers() -> None:
    """The client span in cart fails, and it says to whom the call went."""
    spans = []
    for i in range(60):
        at, status = (T0 + 40 * i, "OK") if i < 40 else (T0 + 1800 + i, "ERROR")
        spans += [
            Span(trace_id=f"t{i}", span_id=f"{i}w", service="web", operation="get", start=at, duration_ms=9, status=status),
            Span(trace_id=f"t{i}", span_id=f"{i}c", parent_id=f"{i}w", service="cart", operation="list", start=at, duration_ms=5,
                 status=status),
            Span(trace_id=f"t{i}", span_id=f"{i}p", parent_id=f"{i}c", service="cart", operation="GET", start=at, duration_ms=3,
                 status=status, attributes={"peer.service": "store"}),
        ]  # fmt: skip
    bundle = Bundle(id="peers", services=NAMES, normal=NORMAL, abnormal=TROUBLE, spans=tuple(spans))
    facts = Facts(bundle)
    found = {s: group[0].score for s, group in shifts(facts, forest(bundle.spans)).items()}
    assert max(found, key=lambda s: found[s]) == "store"


def told(number: int, at: float, pause: float) -> list[LogLine]:
    """The lines of one trace: cart asks, the store (which thinks for `pause` seconds) answers, cart goes on."""
    rows = [("cart", "asking"), ("store", "begin"), ("store", "done"), ("cart", "got it")]
    times = [at, at + 0.001, at + 0.001 + pause, at + 0.002 + pause]
    return [LogLine(time=t, service=s, message=m, trace_id=f"t{number}") for t, (s, m) in zip(times, rows, strict=True)]


def test_lines_of_a_trace_tell_where_time_went_without_any_span() -> None:
    """The store thinks half a second longer between two of its own lines."""
    lines = [x for i in range(40) for x in told(i, T0 + 40 * i, 0.01)]
    lines += [x for i in range(40, 60) for x in told(i, T0 + 1800 + i, 0.5)]
    bundle = Bundle(
        id="lines", services=NAMES, normal=NORMAL, abnormal=TROUBLE, edges=calls("cart>store"), logs=tuple(lines)
    )
    slow, growth = slower(facts := Facts(bundle), visits(facts))
    assert [(s.service, round(s.inside, 1), s.links) for s in slow] == [("store", 9.8, 0.0)]
    assert growth > 1
    assert first(diagnose(bundle)) == "store"


def span(number: str, parent: str, service: str, start: float, ms: float) -> Span:
    """One span of one trace."""
    return Span(
        trace_id="t",
        span_id=number,
        parent_id=parent,
        service=service,
        operation="op",
        start=T0 + start,
        duration_ms=ms,
    )


def test_a_span_whose_parent_was_lost_is_put_under_the_closest_one_that_encloses_it() -> None:
    """`lost` was cart's; what is left above is cart's entry, not web's, which is longer; ads calls nobody."""
    spans = [
        span("w", "", "web", 0.0, 100), span("c", "w", "cart", 0.01, 80), span("s", "lost", "store", 0.02, 30),
        span("k", "c", "store", 0.06, 5), span("a", "w", "ads", 0.015, 70), span("o", "gone", "geo", 0.5, 5),
    ]  # fmt: skip
    assert adopted({s.span_id: s for s in spans}) == {"s": "c"}
    assert "store" in next(inv for inv in forest(tuple(spans)).invocations if inv.span.service == "cart").reached
    assert adopted({s.span_id: s for s in spans[:2]}) == {}


def test_nobody_is_put_under_what_is_below_him() -> None:
    """A child that lasts longer than its parent encloses it by the clock, and stays its child."""
    spans = [span("a", "lost", "cart", 0.0, 10), span("b", "a", "cart", 0.0, 20)]
    assert adopted({s.span_id: s for s in spans}) == {}
    assert len(forest(tuple(spans)).of_span) == 2


def test_torn_traces_leave_the_patterns_to_the_lines() -> None:
    """Half of the spans lost their parent, so what an operation usually does cannot be told; the lines of each trace can."""
    spans, lines = [], []
    for i in range(60):
        at = T0 + 40 * i if i < 40 else T0 + 1800 + i
        spans += [span(f"{i}a", "", "web", at - T0, 9), span(f"{i}b", f"lost{i}", "cart", at - T0 + 50, 4)]
        said = [("web", "get"), ("cart", "list"), ("store", "read row"), *([("store", "sent row")] if i < 40 else [])]
        lines += [LogLine(time=at + k / 1000, service=s, message=m, trace_id=f"t{i}") for k, (s, m) in enumerate(said)]
    bundle = Bundle(
        id="torn", services=NAMES, normal=NORMAL, abnormal=TROUBLE, edges=GRAPH, spans=tuple(spans), logs=tuple(lines)
    )
    assert whole_traces(bundle.spans) == 0.5
    diagnosis = diagnose(bundle)
    assert first(diagnosis) == "store"
    assert "gone pattern `log sent row`: 40/40 invocations before" in diagnosis.evidence[0].excerpt
