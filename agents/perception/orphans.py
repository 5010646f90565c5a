"""Spans whose parent was lost, put back under the closest ancestor that was kept.

Within one trace an ancestor encloses what it waits for. Of the spans that enclose an orphan the shortest is taken, if it belongs to
the same service or to one that is known to call it (as vPath infers paths from nesting, Tak et al. 2009). Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from domain.bundle import Span

MOST = 10_000_000
"""Pairs of an orphan and another span of its trace beyond which nobody is put back: none is better than some of them."""
SLACK_S = 0.001
"""How far clocks may be apart, in seconds."""


def adopted(by_id: Mapping[str, Span]) -> dict[str, str]:
    """Span id → id of the ancestor that it is put under, for spans whose parent is missing."""
    lost = [s for s in by_id.values() if s.parent_id and s.parent_id not in by_id]
    if not lost:
        return {}
    calls = {(p.service, s.service) for s in by_id.values() if (p := by_id.get(s.parent_id)) is not None}
    traces: dict[str, list[Span]] = {s.trace_id: [] for s in lost}
    for span in sorted(by_id.values(), key=lambda s: (s.duration_ms, s.span_id)):
        if span.trace_id in traces:
            traces[span.trace_id].append(span)
    if sum(len(traces[s.trace_id]) for s in lost) > MOST:
        return {}
    found: dict[str, str] = {}
    for span in lost:
        longer = traces[span.trace_id][bisect_right(traces[span.trace_id], span.duration_ms, key=_duration) :]
        near = (m for m in longer if m.service == span.service or (m.service, span.service) in calls)
        above = next((m for m in near if _encloses(m, span) and not _under(m, span, by_id, found)), None)
        if above is not None:
            found[span.span_id] = above.span_id
    return found


def _duration(span: Span) -> float:
    return span.duration_ms


def _under(span: Span, other: Span, by_id: Mapping[str, Span], found: Mapping[str, str]) -> bool:
    """Is `span` below `other` already? Then it cannot be put above it."""
    seen: set[str] = set()
    at: Span | None = span
    while at is not None and at.span_id not in seen:
        if at is other:
            return True
        seen.add(at.span_id)
        at = by_id.get(found.get(at.span_id, at.parent_id))
    return False


def _encloses(outer: Span, inner: Span) -> bool:
    """Both by the clock; `outer` is the longer one, so that no two enclose each other."""
    after = inner.start - outer.start
    return after >= -SLACK_S and after + (inner.duration_ms - outer.duration_ms) / 1000 <= SLACK_S
