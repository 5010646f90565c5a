"""Span trees: invocations, time that a span spent itself, time lost between caller and callee."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agents.perception.orphans import adopted
from domain.bundle import Span

Interval = tuple[float, float]
ERRORS = frozenset({"error", "2", "status_code_error", "failed"})


@dataclass(slots=True, kw_only=True)
class Invocation:
    """One entry into a service within a trace: the root span there, and what happened inside the service."""

    span: Span
    features: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    """Services that it called itself."""
    reached: set[str] = field(default_factory=set)
    """Services in the subtree below, without the own one."""

    @property
    def key(self) -> tuple[str, str]:
        """(service, entry operation)."""
        return (self.span.service, self.span.operation)


@dataclass(slots=True, kw_only=True)
class Forest:
    """All traces of a bundle."""

    invocations: list[Invocation]
    of_span: dict[str, Invocation]
    own_ms: list[tuple[Span, str, float]]
    """(span, callee or '', milliseconds): own time, or the gap to the callee's server span."""


def forest(spans: tuple[Span, ...]) -> Forest:
    """Group spans into invocations. Orphans that fit nowhere start their own; a span id that repeats counts once."""
    by_id = {s.span_id: s for s in spans}
    by_id |= {child: replace(by_id[child], parent_id=parent) for child, parent in adopted(by_id).items()}
    children: dict[str, list[Span]] = defaultdict(list)
    for span in by_id.values():
        if span.parent_id in by_id and span.parent_id != span.span_id:
            children[span.parent_id].append(span)
    of_span: dict[str, Invocation] = {}
    invocations: list[Invocation] = []
    roots = [s for s in by_id.values() if s.parent_id not in by_id or s.parent_id == s.span_id]
    order: list[Span] = []
    stack: list[Span] = list(roots)
    while stack:
        span = stack.pop()
        order.append(span)
        _enter(span, by_id, of_span, invocations)
        stack.extend(children.get(span.span_id, ()))
    for span in reversed(order):
        inside = of_span[span.span_id]
        parent = of_span.get(span.parent_id)
        if parent is not None and parent is not inside:
            parent.reached |= inside.reached | {inside.span.service}
    return Forest(
        invocations=invocations,
        of_span=of_span,
        own_ms=[_own(s, children, of_span[s.span_id].span.span_id) for s in order],
    )


def _enter(span: Span, by_id: dict[str, Span], of_span: dict[str, Invocation], invocations: list[Invocation]) -> None:
    parent = by_id.get(span.parent_id)
    if parent is None or parent.service != span.service or span.parent_id not in of_span:
        inside = Invocation(span=span)
        invocations.append(inside)
        if parent is not None and parent.span_id in of_span:
            of_span[parent.span_id].called.add(span.service)
    else:
        inside = of_span[parent.span_id]
        inside.features.add(f"span {span.operation}")
    if span.status.lower() in ERRORS:
        inside.features.add(f"error {span.operation}")
    of_span[span.span_id] = inside


def _own(span: Span, children: dict[str, list[Span]], entered: str) -> tuple[Span, str, float]:
    """Own time of one span: without its children and without siblings that it merely wraps (they started later, inside it).

    What a client span (all it does is one call to another service) spends itself is time on the link; what the span that entered
    the service (`entered`) spends is the service's own, also where its calls have no client spans.
    """
    below = children.get(span.span_id, [])
    foreign = [c for c in below if c.service != span.service]
    start, end = span.start, span.start + span.duration_ms / 1000
    local = [(c.start, c.start + c.duration_ms / 1000) for c in below if c.service == span.service]
    siblings = (
        [
            (s.start, s.start + s.duration_ms / 1000)
            for s in children.get(span.parent_id, [])
            if s is not span and s.service == span.service and s.start > span.start
        ]
        if not below
        else []
    )
    left = span.duration_ms - 1000 * covered((start, end), [*local, *siblings])
    left -= sum(c.duration_ms for c in foreign)
    waits = len(below) == 1 and bool(foreign) and entered != span.span_id
    return span, foreign[0].service if waits else "", max(0.0, left)


def covered(whole: Interval, parts: list[Interval]) -> float:
    """Seconds of `whole` that lie inside the union of `parts`."""
    total, reach = 0.0, whole[0]
    for start, end in sorted(parts):
        start, end = max(start, reach), min(end, whole[1])
        if end > start:
            total += end - start
            reach = end
    return total


def whole_traces(spans: Sequence[Span]) -> float:
    """Share of spans whose parent was kept too; 1 where there are none."""
    known = {s.span_id for s in spans}
    return sum(not s.parent_id or s.parent_id in known for s in spans) / len(spans) if spans else 1.0
