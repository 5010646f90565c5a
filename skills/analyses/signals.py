"""Detection in telemetry: metrics that went off, log patterns that are new or pile up, where traces spend their time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from agents.perception.facts import Facts
from agents.perception.symptoms import symptoms
from agents.perception.templates import templates
from agents.perception.traces import forest
from domain.bundle import LogLine, Reading, Span
from skills.analyses.analysis import RECENT_S, Analysis, Observed, told

SHOWN = 5
MANY_LINES = 3
"""Lines of one pattern in the recent past that are no accident."""
GROWN = 4.0
"""How many times as often as before a pattern must come to be told."""
BAD = frozenset({"warn", "warning", "error", "critical", "fatal", "panic"})
SLOWER = 2.0
"""How many times as long as before an operation must take by itself …"""
SLOWER_MS = 20.0
"""… and by how many milliseconds."""
FEW_SPANS = 3


def metric_anomaly(observed: Observed, service: str) -> Reading:
    """Latency, errors or availability of a service that got worse, against its own past."""
    found = [c for c in symptoms(Facts(observed.recent())).suffering if c.service == service]
    worst = sorted(found, key=lambda c: -abs(c.z))[:SHOWN]
    rows = [{"metric": c.metric, "before": c.before, "after": c.after, "z": round(c.z, 1)} for c in worst]
    words = "; ".join(f"{c.metric} went from {c.before:.4g} to {c.after:.4g}" for c in worst)
    text = words or f"no metric of {service} got worse in the last {RECENT_S:.0f} s"
    return told("metric_anomaly", service, observed, ok=not found, text=text, metrics=rows)


def log_clusters(observed: Observed, service: str) -> Reading:
    """Warnings and errors of a service by pattern: those that are new, or come far more often than before."""
    lines = [line for line in observed.bundle.logs if line.service == service and _bad(line)]
    patterns = templates(line.message for line in lines)
    now = Counter(patterns[line.message] for line in lines if line.time >= observed.since)
    before = Counter(patterns[line.message] for line in lines if line.time < observed.since)
    history = max(RECENT_S, observed.now - RECENT_S - min((line.time for line in lines), default=observed.now))
    usual = {pattern: count * RECENT_S / history for pattern, count in before.items()}
    grown = [p for p, n in now.most_common() if n >= MANY_LINES and n >= GROWN * usual.get(p, 0.0)]
    rows = [{"pattern": p[:200], "count": now[p], "before": before[p]} for p in grown[:SHOWN]]
    words = "; ".join(f"{row['count']} × {row['pattern']} (before: {row['before']})" for row in rows)
    text = words or f"no pattern of warnings or errors of {service} piles up"
    return told("log_clusters", service, observed, ok=not grown, text=text, clusters=rows)


def _bad(line: LogLine) -> bool:
    return line.level.lower() in BAD


def trace_hotspot(observed: Observed, service: str) -> Reading:
    """The operation that spends more time by itself than before, and whether it is this service's own."""
    slow = sorted(_slower(observed.bundle.spans, observed.since), key=lambda row: row[2] - row[3])
    rows = [
        {"service": place, "operation": operation[:120], "own_ms": round(now, 1), "before_ms": round(before, 1)}
        for place, operation, now, before in reversed(slow)
    ][:SHOWN]
    mine = [row for row in rows if row["service"] == service]
    words = "; ".join(
        f"{r['service']} {r['operation']}: {r['own_ms']} ms of its own, before {r['before_ms']} ms" for r in rows
    )
    text = words or "no operation spends more time by itself than before"
    return told("trace_hotspot", service, observed, ok=not mine, text=text, hotspots=rows)


def _slower(spans: Sequence[Span], since: float) -> Iterable[tuple[str, str, float, float]]:
    """(service, operation, own milliseconds now, before); medians, over enough spans on both sides."""
    own: dict[tuple[str, str], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for span, callee, spent in forest(tuple(spans)).own_ms:
        where = f"{span.operation} to {callee}" if callee else span.operation
        own[span.service, where][span.start >= since].append(spent)
    for (service, operation), (before, now) in own.items():
        if len(before) < FEW_SPANS or len(now) < FEW_SPANS:
            continue
        usual, present = median(before), median(now)
        if present >= SLOWER * usual and present - usual >= SLOWER_MS:
            yield service, operation, present, usual


ANALYSES = (
    Analysis(name="metric_anomaly", look=metric_anomaly),
    Analysis(name="log_clusters", look=log_clusters),
    Analysis(name="trace_hotspot", look=trace_hotspot),
)
