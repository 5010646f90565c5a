"""Invocations as logs alone show them, where no spans were kept: the lines of one service within one trace, or one slice of time.

Which operation it was is not asked: the first line of a trace would tell, and is the first to be lost. Who was reached below is
what the call graph allows among the services that wrote later lines of the same trace. The pause between two lines of a trace is
time spent in between: inside the service that wrote both, or on the way between two of which one calls the other (after lprof, Zhao
et al. 2014).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from itertools import pairwise

from agents.perception.complaints import log_text
from agents.perception.facts import Facts
from agents.perception.templates import templates
from agents.perception.traces import Forest, Invocation
from domain.bundle import LogLine, Span

SLICES = 12
"""Parts of the trouble that lines without a trace are grouped by."""
MOST_LINES = 200_000
"""Lines looked at; beyond that every n-th trace or slice is."""


def visits(facts: Facts) -> Forest:
    """Invocations as far as lines tell: what each service wrote per trace, and the pauses in between."""
    groups: dict[str, list[LogLine]] = defaultdict(list)
    width = max(1.0, (facts.windows.abnormal[1] - facts.windows.abnormal[0]) / SLICES)
    for line in facts.bundle.logs:
        groups[line.trace_id or f"at {line.time // width:.0f}"].append(line)
    step = max(1, len(facts.bundle.logs) // MOST_LINES)
    kept = [sorted(g, key=lambda x: x.time) for g in list(groups.values())[::step]]
    names = templates(log_text(line) for group in kept for line in group)
    found = [inv for group in kept for inv in _of_group(facts, group, names)]
    below = {s: set(facts.callees(s)) for s in {line.service for group in kept for line in group}}
    pauses = [p for group in kept if group[0].trace_id for p in _pauses(below, group, names)]
    return Forest(invocations=found, of_span={}, own_ms=pauses)


def _pauses(
    below: Mapping[str, Set[str]], lines: list[LogLine], names: dict[str, str]
) -> Iterable[tuple[Span, str, float]]:
    """(where, callee or '', milliseconds) between neighbouring lines of one trace. `below`: service → what it calls."""
    for a, b in pairwise(lines):
        ms = 1000 * (b.time - a.time)
        if a.service == b.service:
            yield _step(a, f"{names[log_text(a)]} … {names[log_text(b)]}", ms), "", ms
        elif b.service in below[a.service]:
            yield _step(a, "", ms), b.service, ms
        elif a.service in below[b.service]:
            yield _step(b, "", ms), a.service, ms


def _step(line: LogLine, operation: str, ms: float) -> Span:
    return Span(
        trace_id=line.trace_id, span_id="", service=line.service, operation=operation, start=line.time, duration_ms=ms
    )


def _of_group(facts: Facts, lines: list[LogLine], names: dict[str, str]) -> Iterable[Invocation]:
    mine: dict[str, Invocation] = {}
    for line in lines:
        if line.service not in mine:
            mine[line.service] = Invocation(span=_step(line, "", 0.0))
        mine[line.service].features.add(f"log {names[log_text(line)]}")
    order = list(mine)
    for i, service in enumerate(order):
        later = set(order[i + 1 :]) if lines[0].trace_id else set(order)
        below = facts.dependencies(service) if facts.mapped else later
        mine[service].reached |= later & below
    yield from mine.values()
