"""Spans whose parent was lost, put back under the closest ancestor that was kept.

Within one trace an ancestor encloses what it waits for. Of the spans that enclose an orphan the shortest is taken, if it belongs to
the same service or to one that is known to call it (as vPath infers paths from nesting, Tak et al. 2009). Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from domain.bundle import Span

MOST = 1500
"""Spans of one trace beyond which nobody is put back: the search is quadratic."""
SLACK_S = 0.001
"""How far clocks may be apart, in seconds."""


def adopted(by_id: Mapping[str, Span]) -> dict[str, str]:
    """Span id → id of the ancestor that it is put under, for spans whose parent is missing."""
    lost = [s for s in by_id.values() if s.parent_id and s.parent_id not in by_id]
    if not lost:
        return {}
    calls = {(p.service, s.service) for s in by_id.values() if (p := by_id.get(s.parent_id)) is not None}
    traces: dict[str, list[Span]] = defaultdict(list)
    wanted = {s.trace_id for s in lost}
    for span in by_id.values():
        if span.trace_id in wanted:
            traces[span.trace_id].append(span)
    found: dict[str, str] = {}
    for span in lost:
        mates = traces[span.trace_id]
        near = [
            m for m in mates if _encloses(m, span) and (m.service == span.service or (m.service, span.service) in calls)
        ]
        near = [m for m in near if not _under(m, span, by_id, found)] if len(mates) <= MOST else []
        if near:
            found[span.span_id] = min(near, key=lambda m: (m.duration_ms, m.span_id)).span_id
    return found


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
    """Strictly longer, so that no two enclose each other."""
    if outer is inner or outer.duration_ms <= inner.duration_ms:
        return False
    after = inner.start - outer.start
    return after >= -SLACK_S and after + (inner.duration_ms - outer.duration_ms) / 1000 <= SLACK_S
