"""Traces with parts missing: calls that vanish, peers without spans, parents that were lost, timing from lines alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.perception import diagnose
from agents.perception.facts import Facts
from agents.perception.orphans import adopted
from agents.perception.patterns import shifts
from agents.perception.peers import peer_of
from agents.perception.timing import slower
from agents.perception.traces import Forest, forest, whole_traces
from agents.perception.vanished import vanished
from agents.perception.visits import visits
from domain.bundle import Bundle, Edge, LogLine, Span
from domain.diagnosis import Diagnosis

T0 = 1_700_000_000.0
NORMAL, TROUBLE = (T0, T0 + 1790), (T0 + 1800, T0 + 1990)
NAMES = ("web", "cart", "mail", "ads", "geo", "tax", "quote", "store")
GRAPH = (Edge(caller="web", callee="cart"), Edge(caller="cart", callee="store"))


def first(diagnosis: Diagnosis) -> str:
    """The leading suspect."""
    return diagnosis.hypotheses[0].service


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
    bundle = Bundle(id="lines", services=NAMES, normal=NORMAL, abnormal=TROUBLE, edges=GRAPH, logs=tuple(lines))
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


SPANS = st.lists(
    st.tuples(st.integers(0, 14), st.sampled_from(NAMES), st.floats(0, 5), st.floats(0, 5000)), max_size=15
)


@settings(max_examples=80, deadline=None)
@given(rows=SPANS)
def test_putting_spans_back_loses_none_of_them(rows: list[tuple[int, str, float, float]]) -> None:
    """Whatever the times, parents known and lost: a span that could be reached before still is, so no circle was closed."""
    spans = tuple(span(str(i), str(parent), s, at, ms) for i, (parent, s, at, ms) in enumerate(rows))
    torn = tuple(s if s.parent_id < s.span_id else replace(s, parent_id="lost") for s in spans)
    assert len(forest(torn).of_span) == len(torn)
