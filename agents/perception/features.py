"""Evidence features of one service in one incident: what a shallow learner compares across incidents.

Names are made general (a service's own name is cut out of an alert's name), values are counts, shares among the services of the
incident, and the scores of the other methods, so that a feature means the same in every incident.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from domain.bundle import AlertSignal, Bundle

Features = dict[str, float]


def service_features(bundle: Bundle, scores: dict[str, dict[str, float]]) -> dict[str, Features]:
    """Service → features. `scores`: method → service → score (0–1) from the analytic methods."""
    services = bundle.services or tuple(dict.fromkeys(s.service for s in bundle.signals))
    own: dict[str, Counter[str]] = {s: Counter() for s in services}
    for signal in bundle.signals:
        for service, name in signatures(signal):
            if service in own:
                own[service][name] += 1
    totals = Counter(name for counts in own.values() for name in counts.elements())
    near = _neighbours(bundle)
    rows: dict[str, Features] = {}
    for service in services:
        row: Features = {f"is:{service}": 1.0}
        for name, count in own[service].items():
            row[f"own:{name}"] = float(count)
            row[f"share:{name}"] = count / totals[name]
        around = Counter(n for other in near[service] if other in own for n in own[other].elements())
        for name, count in around.items():
            row[f"near:{name}"] = count / max(1, len(near[service]))
        row["alerts"] = float(own[service].total())
        row["alerts:share"] = own[service].total() / max(1, totals.total())
        for method, by_service in scores.items():
            row[f"score:{method}"] = by_service.get(service, 0.0)
        rows[service] = row
    return rows


def case_features(bundle: Bundle, service: str, rows: dict[str, Features]) -> Features:
    """Features for the kind of fault, given the service: its own, and the totals over all services."""
    row = {k: v for k, v in rows.get(service, {}).items() if not k.startswith("is:")}
    totals: Counter[str] = Counter()
    for signal in bundle.signals:
        for _, name in signatures(signal):
            totals[name] += 1
    row |= {f"all:{name}": float(count) for name, count in totals.items()}
    return row


def signatures(signal: AlertSignal) -> Iterable[tuple[str, str]]:
    """(service, general name) pairs of one extracted alert; a trace alert speaks about both ends."""
    name = general(signal.name, signal.service)
    if signal.kind != "trace":
        yield signal.service, f"{signal.kind}:{name}:{signal.direction}"
        return
    word = re.sub(r"\d{2,}", "#", signal.text)[:24] if not signal.text.isdigit() else signal.text
    yield (
        signal.service,
        f"trace:{word}:caller" if signal.peer and signal.peer != signal.service else f"trace:{word}:self",
    )
    yield signal.service, f"trace:{word}:{name.rsplit('/', 1)[-1]}"
    if signal.peer and signal.peer != signal.service:
        yield signal.peer, f"trace:{word}:callee"


def general(name: str, service: str) -> str:
    """The alert's name without the service's own name."""
    return name.replace(service, "").strip("-_/ ") if service else name


def _neighbours(bundle: Bundle) -> dict[str, set[str]]:
    near: dict[str, set[str]] = defaultdict(set)
    for edge in bundle.edges:
        if edge.caller != edge.callee:
            near[edge.caller].add(edge.callee)
            near[edge.callee].add(edge.caller)
    return near
